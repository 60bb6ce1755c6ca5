#compdef clsh

_shtab_clsh_commands() {
  local _commands=(

  )
  _describe 'clsh commands' _commands
}

_shtab_clsh_options=(
  "*"{-h,--hosts}"[node1,node2, web\[01-16\], \@group, user\@host\:port, podman\:\/\/name]:LIST:_clsh_nodes"
  "*"{-x,--exclude}"[not on these]:LIST:_clsh_nodes"
  {-a,--all}"[all nodes of the inventory]"
  "*"{-g,--group}"[the nodes of a group of the inventory]:GROUP:_clsh_groups"
  "--hostfile[a file with one entry a line]:FILE:_files"
  {-l,--user}"[login name for nodes that have none of their own]:NAME:"
  "--failed[the nodes that failed in the last run]"
  {-b,--gather}"[wait, then show equal output once, under the names of its nodes]"
  {-L,--in-order}"[wait, then show the nodes in their order]"
  "--diff[as -b, and show how each group differs from the largest]"
  "--table[one table\: node, exit status, seconds, output]"
  "--live[with -b, -L, --diff or --table\: lines as they arrive as well]"
  "--json[one JSON object a line]"
  {-q,--quiet}"[only the output of nodes that fail]"
  "--out[stdout into PATH\; into PATH\/NODE.out when PATH is a directory or ends in \/]:PATH:_files"
  "--err[stderr into PATH or PATH\/NODE.err, likewise]:PATH:_files"
  "--append[add to these files instead of beginning anew]"
  {-S,--status}"[exit with the largest exit status of the nodes]"
  "--color[auto, always or never]:WHEN:(auto always never)"
  {-f,--fanout}"[nodes at the same time (64)]:N:"
  "--connect-timeout[seconds a connection may take (10)]:S:"
  {-t,--timeout}"[seconds the command may take (no limit)]:S:"
  "--batch[rolling run\: N nodes, and only then the next N]:N:"
  "--delay[seconds between two batches]:S:"
  "--retry[try a connection N times more]:N:"
  "--dry-run[show what would run where, and run nothing]"
  {-n,--no-input}"[give the command no standard input]"
  "*"{-e,--env}"[set an environment variable on the nodes]:NAME=VALUE:"
  "--sudo[run as root, or with --sudo\=USER as another user]:USER:"
  "--ask-pass[ask once for the password of the nodes]"
  "--pass-file[read it from the first line of a file that is yours alone]:FILE:_files"
  "--tty[give the command a terminal]"
  "--on-lost[when a connection is lost\: continue (default) or stop]:WHAT:(continue stop)"
  "--grace[seconds a command may go on after TERM (30)]:S:"
  "--transport[how to connect\: auto, asyncssh, openssh, ...]:NAME:"
  {-i,--interactive}"[a prompt, and a shell kept open on each node]"
  "--script[run FILE on the nodes, the words being its arguments]:FILE:_files"
  "--copy[copy files and directories to the nodes]"
  "--rcopy[copy files and directories from the nodes]"
  "--version[show the version]"
  "--help[show this help]"
  "(-)*::COMMAND:_clsh_commands"
)

# guard to ensure default positional specs are added only once per session
_shtab_clsh_defaults_added=0

_shtab_clsh() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->clsh'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_clsh_defaults_added )); then
    if (( ${_shtab_clsh_options[(I)${(q)one_or_more}*]} +          ${_shtab_clsh_options[(I)${(q)remainder}*]} +          ${_shtab_clsh_options[(I)${(q)default}]} == 0 )); then
      _shtab_clsh_options+=(': :_shtab_clsh_commands' '*::: :->clsh')
    fi
    _shtab_clsh_defaults_added=1
  fi
  _arguments -C -s $_shtab_clsh_options

  case $state in
    clsh)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_clsh-$line[1]:"
      case $line[1] in

      esac
  esac
}

# Custom Preamble
_clsh_nodes() {
  local -a nodes
  nodes=(${(f)"$(cl completion nodes 2>/dev/null)"})
  compset -P '*,'
  compadd -qS , -a nodes
}
_clsh_groups() {
  local -a groups
  groups=(${(f)"$(cl completion groups 2>/dev/null)"})
  compadd -a groups
}
_clsh_commands() { _normal }

# End Custom Preamble

typeset -A opt_args

if [[ $zsh_eval_context[-1] == eval ]]; then
  # eval/source/. command, register function for later
  compdef _shtab_clsh -N clsh
else
  # autoload from fpath, call function directly
  _shtab_clsh "$@"
fi
