#compdef cl

_shtab_cl_commands() {
  local _commands=(
    alerts:'what is wrong on the grid now'
    completion:'shell completion: print the script for bash, zsh or fish'
    config:'show the configuration, and where each value comes from'
    demo:'a cluster on this machine, to try clsh on'
    doctor:'say what is missing on the manager and the nodes, and what mends it'
    down:'end the manager; the nodes go on'
    metrics:'what a node measures, now or over time as a chart'
    nodes:'list nodes with state, load, memory, groups and how they are reached'
    ps:'processes of all nodes'
    status:'show how the manager fares: its nodes, sources and store'
    top:'nodes and their processes, live'
    unit:'print a systemd unit for the manager'
    up:'start the manager: it watches the nodes and serves the web page'
  )
  _describe 'cl commands' _commands
}

_shtab_cl_config_commands() {
  local _commands=(
    show:'print every value, as TOML'
  )
  _describe 'cl config commands' _commands
}

_shtab_cl_demo_commands() {
  local _commands=(
    down:'end the cluster; nothing of it is left'
    exec:'run a command where the names of the nodes are known'
    kill:'lose a node: it is gone, with all that it ran'
    start:'bring a lost node back'
    status:'show the nodes'
    up:'start the nodes: in namespaces for root on Linux, else as SSH servers of our own'
  )
  _describe 'cl demo commands' _commands
}

_shtab_cl_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--version[show the version]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_defaults_added=0

_shtab_cl_alerts_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_alerts_defaults_added=0

_shtab_cl_completion_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":bash, zsh or fish\: its script\; nodes or groups\: the names in the inventory:(bash zsh fish nodes groups)"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_completion_defaults_added=0

_shtab_cl_config_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_config_defaults_added=0

_shtab_cl_config_show_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--origin[with file and line, variable, or default]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_config_show_defaults_added=0

_shtab_cl_demo_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_defaults_added=0

_shtab_cl_demo_down_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_down_defaults_added=0

_shtab_cl_demo_exec_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "(-)*::COMMAND:_clsh_commands"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_exec_defaults_added=0

_shtab_cl_demo_kill_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":NODE:_clsh_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_kill_defaults_added=0

_shtab_cl_demo_start_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":NODE:_clsh_nodes"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_start_defaults_added=0

_shtab_cl_demo_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_status_defaults_added=0

_shtab_cl_demo_up_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  {-n,--nodes}"[how many nodes (4)]:N:"
  "--servers[SSH servers of our own, also for root]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_up_defaults_added=0

_shtab_cl_doctor_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_doctor_defaults_added=0

_shtab_cl_down_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--demo[end the demo cluster as well]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_down_defaults_added=0

_shtab_cl_metrics_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--since[30m, 6h, 1d, 2w, 1y, a date (1h)]:TIME:"
  "--until[likewise (now)]:TIME:"
  "--json[one JSON object a line]"
  ":a node, or CLUSTER\/NODE:_clsh_nodes"
  ":draw this metric (default\: list all):"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_metrics_defaults_added=0

_shtab_cl_nodes_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--state[only nodes in this state]:state:(up lost new)"
  "--json[one JSON object a line]"
  ":only these\: node\[1-3\],\@group (default\: all):"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_nodes_defaults_added=0

_shtab_cl_ps_options=(
  "(- : *)--help[show this help message and exit]"
  "*"{-h,--hosts}"[node1,node2, web\[01-16\], \@group, user\@host\:port, podman\:\/\/name]:LIST:_clsh_nodes"
  "*"{-x,--exclude}"[not on these]:LIST:_clsh_nodes"
  {-a,--all}"[all nodes of the inventory]"
  "*"{-g,--group}"[the nodes of a group of the inventory]:GROUP:_clsh_groups"
  "--hostfile[a file with one entry a line]:FILE:_files"
  {-f,--fanout}"[nodes at the same time (64)]:N:"
  "--connect-timeout[seconds a connection may take (10)]:S:"
  "--ask-pass[ask once for the password of the nodes]"
  "--pass-file[read it from the first line of a file that is yours alone]:FILE:_files"
  "--transport[how to connect\: auto, asyncssh, openssh, ...]:NAME:"
  {-l,--login}"[login name for nodes that have none of their own]:NAME:"
  "--user[only processes of this user]:NAME:"
  "--name[only commands that have TEXT in them]:TEXT:"
  "--sort[sort by this column]:COLUMN:"
  {-r,--reverse}"[the other way round]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_ps_defaults_added=0

_shtab_cl_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_status_defaults_added=0

_shtab_cl_top_options=(
  "(- : *)--help[show this help message and exit]"
  "*"{-h,--hosts}"[node1,node2, web\[01-16\], \@group, user\@host\:port, podman\:\/\/name]:LIST:_clsh_nodes"
  "*"{-x,--exclude}"[not on these]:LIST:_clsh_nodes"
  {-a,--all}"[all nodes of the inventory]"
  "*"{-g,--group}"[the nodes of a group of the inventory]:GROUP:_clsh_groups"
  "--hostfile[a file with one entry a line]:FILE:_files"
  {-f,--fanout}"[nodes at the same time (64)]:N:"
  "--connect-timeout[seconds a connection may take (10)]:S:"
  "--ask-pass[ask once for the password of the nodes]"
  "--pass-file[read it from the first line of a file that is yours alone]:FILE:_files"
  "--transport[how to connect\: auto, asyncssh, openssh, ...]:NAME:"
  {-l,--login}"[login name for nodes that have none of their own]:NAME:"
  "--once[print one picture and end]"
  "--json[one JSON object a picture]"
  {-n,--count}"[end after N pictures]:N:"
  "--interval[seconds a picture (2)]:S:"
  "--sort[sort by this column]:COLUMN:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_top_defaults_added=0

_shtab_cl_unit_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_unit_defaults_added=0

_shtab_cl_up_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--foreground[stay here and log to stderr, for systemd]"
  "--demo[watch the demo cluster\; start it when it is down]"
  {-n,--nodes}"[with --demo\: how many nodes (4)]:N:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_up_defaults_added=0

_shtab_cl() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->cl'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_cl_defaults_added )); then
    if (( ${_shtab_cl_options[(I)${(q)one_or_more}*]} +          ${_shtab_cl_options[(I)${(q)remainder}*]} +          ${_shtab_cl_options[(I)${(q)default}]} == 0 )); then
      _shtab_cl_options+=(': :_shtab_cl_commands' '*::: :->cl')
    fi
    _shtab_cl_defaults_added=1
  fi
  _arguments -C -s $_shtab_cl_options

  case $state in
    cl)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_cl-$line[1]:"
      case $line[1] in
        alerts) _arguments -C -s $_shtab_cl_alerts_options ;;
        completion) _arguments -C -s $_shtab_cl_completion_options ;;
        config) _shtab_cl_config ;;
        demo) _shtab_cl_demo ;;
        doctor) _arguments -C -s $_shtab_cl_doctor_options ;;
        down) _arguments -C -s $_shtab_cl_down_options ;;
        metrics) _arguments -C -s $_shtab_cl_metrics_options ;;
        nodes) _arguments -C -s $_shtab_cl_nodes_options ;;
        ps) _arguments -C -s $_shtab_cl_ps_options ;;
        status) _arguments -C -s $_shtab_cl_status_options ;;
        top) _arguments -C -s $_shtab_cl_top_options ;;
        unit) _arguments -C -s $_shtab_cl_unit_options ;;
        up) _arguments -C -s $_shtab_cl_up_options ;;
      esac
  esac
}

_shtab_cl_config() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->config'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_cl_config_defaults_added )); then
    if (( ${_shtab_cl_config_options[(I)${(q)one_or_more}*]} +          ${_shtab_cl_config_options[(I)${(q)remainder}*]} +          ${_shtab_cl_config_options[(I)${(q)default}]} == 0 )); then
      _shtab_cl_config_options+=(': :_shtab_cl_config_commands' '*::: :->config')
    fi
    _shtab_cl_config_defaults_added=1
  fi
  _arguments -C -s $_shtab_cl_config_options

  case $state in
    config)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_cl_config-$line[1]:"
      case $line[1] in
        show) _arguments -C -s $_shtab_cl_config_show_options ;;
      esac
  esac
}

_shtab_cl_demo() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->demo'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_cl_demo_defaults_added )); then
    if (( ${_shtab_cl_demo_options[(I)${(q)one_or_more}*]} +          ${_shtab_cl_demo_options[(I)${(q)remainder}*]} +          ${_shtab_cl_demo_options[(I)${(q)default}]} == 0 )); then
      _shtab_cl_demo_options+=(': :_shtab_cl_demo_commands' '*::: :->demo')
    fi
    _shtab_cl_demo_defaults_added=1
  fi
  _arguments -C -s $_shtab_cl_demo_options

  case $state in
    demo)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_cl_demo-$line[1]:"
      case $line[1] in
        down) _arguments -C -s $_shtab_cl_demo_down_options ;;
        exec) _arguments -C -s $_shtab_cl_demo_exec_options ;;
        kill) _arguments -C -s $_shtab_cl_demo_kill_options ;;
        start) _arguments -C -s $_shtab_cl_demo_start_options ;;
        status) _arguments -C -s $_shtab_cl_demo_status_options ;;
        up) _arguments -C -s $_shtab_cl_demo_up_options ;;
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
  compdef _shtab_cl -N cl
else
  # autoload from fpath, call function directly
  _shtab_cl "$@"
fi
