_shtab_cl_config_subparsers=(show)
_shtab_cl_demo_subparsers=(up down status exec kill start)
_shtab_cl_subparsers=(alerts completion config demo doctor down metrics nodes ps status top unit up)

_shtab_cl_alerts_option_strings=(-h --help --json)
_shtab_cl_completion_option_strings=(-h --help)
_shtab_cl_config_show_option_strings=(-h --help --origin --json)
_shtab_cl_config_option_strings=(-h --help)
_shtab_cl_demo_up_option_strings=(-h --help -n --nodes --servers)
_shtab_cl_demo_down_option_strings=(-h --help)
_shtab_cl_demo_status_option_strings=(-h --help)
_shtab_cl_demo_exec_option_strings=(-h --help)
_shtab_cl_demo_kill_option_strings=(-h --help)
_shtab_cl_demo_start_option_strings=(-h --help)
_shtab_cl_demo_option_strings=(-h --help)
_shtab_cl_doctor_option_strings=(-h --help --json)
_shtab_cl_down_option_strings=(-h --help --demo)
_shtab_cl_metrics_option_strings=(-h --help --since --until --json)
_shtab_cl_nodes_option_strings=(-h --help --state --json)
_shtab_cl_ps_option_strings=(--help -h --hosts -x --exclude -a --all -g --group --hostfile -f --fanout --connect-timeout --ask-pass --pass-file --transport -l --login --user --name --sort -r --reverse --json)
_shtab_cl_status_option_strings=(-h --help --json)
_shtab_cl_top_option_strings=(--help -h --hosts -x --exclude -a --all -g --group --hostfile -f --fanout --connect-timeout --ask-pass --pass-file --transport -l --login --once --json -n --count --interval --sort)
_shtab_cl_unit_option_strings=(-h --help)
_shtab_cl_up_option_strings=(-h --help --foreground --demo -n --nodes)
_shtab_cl_option_strings=(-h --help --version)

_shtab_cl_demo_exec_pos_0_COMPGEN=_clsh_commands
_shtab_cl_demo_kill_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_demo_start_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_metrics_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_ps__h_COMPGEN=_clsh_nodes
_shtab_cl_ps___hosts_COMPGEN=_clsh_nodes
_shtab_cl_ps__x_COMPGEN=_clsh_nodes
_shtab_cl_ps___exclude_COMPGEN=_clsh_nodes
_shtab_cl_ps__g_COMPGEN=_clsh_groups
_shtab_cl_ps___group_COMPGEN=_clsh_groups
_shtab_cl_ps___hostfile_COMPGEN=_shtab_compgen_files
_shtab_cl_ps___pass_file_COMPGEN=_shtab_compgen_files
_shtab_cl_top__h_COMPGEN=_clsh_nodes
_shtab_cl_top___hosts_COMPGEN=_clsh_nodes
_shtab_cl_top__x_COMPGEN=_clsh_nodes
_shtab_cl_top___exclude_COMPGEN=_clsh_nodes
_shtab_cl_top__g_COMPGEN=_clsh_groups
_shtab_cl_top___group_COMPGEN=_clsh_groups
_shtab_cl_top___hostfile_COMPGEN=_shtab_compgen_files
_shtab_cl_top___pass_file_COMPGEN=_shtab_compgen_files

_shtab_cl_completion_pos_0_choices=(bash zsh fish nodes groups)
_shtab_cl_config_pos_0_choices=(show)
_shtab_cl_demo_pos_0_choices=(up down status exec kill start)
_shtab_cl_nodes___state_choices=(up lost new)
_shtab_cl_pos_0_choices=(alerts completion config demo doctor down metrics nodes ps status top unit up)

_shtab_cl_alerts__h_nargs=0
_shtab_cl_alerts___help_nargs=0
_shtab_cl_alerts___json_nargs=0
_shtab_cl_completion__h_nargs=0
_shtab_cl_completion___help_nargs=0
_shtab_cl_config_show__h_nargs=0
_shtab_cl_config_show___help_nargs=0
_shtab_cl_config_show___origin_nargs=0
_shtab_cl_config_show___json_nargs=0
_shtab_cl_config_pos_0_nargs=A...
_shtab_cl_config__h_nargs=0
_shtab_cl_config___help_nargs=0
_shtab_cl_demo_up__h_nargs=0
_shtab_cl_demo_up___help_nargs=0
_shtab_cl_demo_up___servers_nargs=0
_shtab_cl_demo_down__h_nargs=0
_shtab_cl_demo_down___help_nargs=0
_shtab_cl_demo_status__h_nargs=0
_shtab_cl_demo_status___help_nargs=0
_shtab_cl_demo_exec_pos_0_nargs=...
_shtab_cl_demo_exec__h_nargs=0
_shtab_cl_demo_exec___help_nargs=0
_shtab_cl_demo_kill__h_nargs=0
_shtab_cl_demo_kill___help_nargs=0
_shtab_cl_demo_start__h_nargs=0
_shtab_cl_demo_start___help_nargs=0
_shtab_cl_demo_pos_0_nargs=A...
_shtab_cl_demo__h_nargs=0
_shtab_cl_demo___help_nargs=0
_shtab_cl_doctor__h_nargs=0
_shtab_cl_doctor___help_nargs=0
_shtab_cl_doctor___json_nargs=0
_shtab_cl_down__h_nargs=0
_shtab_cl_down___help_nargs=0
_shtab_cl_down___demo_nargs=0
_shtab_cl_metrics__h_nargs=0
_shtab_cl_metrics___help_nargs=0
_shtab_cl_metrics___json_nargs=0
_shtab_cl_nodes__h_nargs=0
_shtab_cl_nodes___help_nargs=0
_shtab_cl_nodes___json_nargs=0
_shtab_cl_ps___help_nargs=0
_shtab_cl_ps__a_nargs=0
_shtab_cl_ps___all_nargs=0
_shtab_cl_ps___ask_pass_nargs=0
_shtab_cl_ps__r_nargs=0
_shtab_cl_ps___reverse_nargs=0
_shtab_cl_ps___json_nargs=0
_shtab_cl_status__h_nargs=0
_shtab_cl_status___help_nargs=0
_shtab_cl_status___json_nargs=0
_shtab_cl_top___help_nargs=0
_shtab_cl_top__a_nargs=0
_shtab_cl_top___all_nargs=0
_shtab_cl_top___ask_pass_nargs=0
_shtab_cl_top___once_nargs=0
_shtab_cl_top___json_nargs=0
_shtab_cl_unit__h_nargs=0
_shtab_cl_unit___help_nargs=0
_shtab_cl_up__h_nargs=0
_shtab_cl_up___help_nargs=0
_shtab_cl_up___foreground_nargs=0
_shtab_cl_up___demo_nargs=0
_shtab_cl_pos_0_nargs=A...
_shtab_cl__h_nargs=0
_shtab_cl___help_nargs=0
_shtab_cl___version_nargs=0

# Custom Preamble
_clsh_nodes() { # $1: the word so far, nodes with commas between them
  local before= word=$1
  case $word in *,*) before=${word%,*},; word=${word##*,} ;; esac
  compgen -P "$before" -W "$(cl completion nodes 2>/dev/null)" -- "$word"
}
_clsh_groups() { compgen -W "$(cl completion groups 2>/dev/null)" -- "$1"; }
_clsh_commands() { compgen -c -- "$1"; }

# End Custom Preamble

# $1=COMP_WORDS[1]
_shtab_compgen_files() {
  compgen -f -- $1  # files
}

# $1=COMP_WORDS[1]
_shtab_compgen_dirs() {
  compgen -d -- $1  # recurse into subdirs
}

# $1=COMP_WORDS[1]
_shtab_replace_nonword() {
  echo "${1//[^[:word:]]/_}"
}

# set default values (called for the initial parser & any subparsers)
_set_parser_defaults() {
  local subparsers_var="${prefix}_subparsers[@]"
  sub_parsers=${!subparsers_var-}

  local current_option_strings_var="${prefix}_option_strings[@]"
  current_option_strings=${!current_option_strings_var}

  completed_positional_actions=0

  _set_new_action "pos_$completed_positional_actions" true
}

# $1=action identifier
# $2=positional action (bool)
# set all identifiers for an action's parameters
_set_new_action() {
  current_action="${prefix}_$(_shtab_replace_nonword $1)"

  local current_action_compgen_var=${current_action}_COMPGEN
  current_action_compgen="${!current_action_compgen_var-}"

  local current_action_choices_var="${current_action}_choices[@]"
  current_action_choices="${!current_action_choices_var-}"

  local current_action_nargs_var="${current_action}_nargs"
  if [ -n "${!current_action_nargs_var-}" ]; then
    current_action_nargs="${!current_action_nargs_var}"
  else
    current_action_nargs=1
  fi

  current_action_args_start_index=$(( $word_index + 1 - $pos_only ))

  current_action_is_positional=$2
}

# Notes:
# `COMPREPLY`: what will be rendered after completion is triggered
# `completing_word`: currently typed word to generate completions for
# `${!var}`: evaluates the content of `var` and expand its content as a variable
_shtab_cl() {
  local completing_word="${COMP_WORDS[COMP_CWORD]}"
  local previous_word="${COMP_WORDS[COMP_CWORD-1]}"
  local completed_positional_actions
  local current_action
  local current_action_args_start_index
  local current_action_choices
  local current_action_compgen
  local current_action_is_positional
  local current_action_nargs
  local current_option_strings
  local sub_parsers
  COMPREPLY=()

  local prefix=_shtab_cl
  local word_index=0
  local pos_only=0 # "--" delimiter not encountered yet
  _set_parser_defaults
  word_index=1

  # determine what arguments are appropriate for the current state
  # of the arg parser
  while [ $word_index -ne $COMP_CWORD ]; do
    local this_word="${COMP_WORDS[$word_index]}"

    if [[ $pos_only = 1 || " $this_word " != " -- " ]]; then
      if [[ -n $sub_parsers && " ${sub_parsers[@]} " == *" $this_word "* ]]; then
        # valid subcommand: add it to the prefix & reset the current action
        prefix="${prefix}_$(_shtab_replace_nonword $this_word)"
        _set_parser_defaults
      fi

      if [[ " ${current_option_strings[@]} " == *" $this_word "* ]]; then
        # a new action should be acquired (due to recognised option string or
        # no more input expected from current action);
        # the next positional action can fill in here
        _set_new_action $this_word false
      fi

      if [[ "$current_action_nargs" != "*" ]] && \
         [[ "$current_action_nargs" != "+" ]] && \
         [[ "$current_action_nargs" != "?" ]] && \
         [[ "$current_action_nargs" != *"..." ]] && \
         (( $word_index + 1 - $current_action_args_start_index - $pos_only >= \
            $current_action_nargs )); then
        $current_action_is_positional && let "completed_positional_actions += 1"
        _set_new_action "pos_$completed_positional_actions" true
      fi
    else
      pos_only=1 # "--" delimiter encountered
    fi

    let "word_index+=1"
  done

  # Generate the completions

  COMPREPLY=()
  if [[ $pos_only = 0 && "$completing_word" == -* &&
        ( -z "$current_action_compgen" || "$current_action_is_positional" = true ) ]]; then
    # optional argument started: use option strings
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_option_strings[*]}" -- "$completing_word")
  elif [[ "$previous_word" =~ ^[0-9\&]*[\<\>]\>?$ ]]; then
    # handle redirection operators
    compopt -o filenames 2>/dev/null || : # bash>=4
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$completing_word")
  else
    # use choices & compgen
    local action_compgen_word="$completing_word"
    # handle tab-completing in the middle of a line (#248 <- #116)
    [[ -n "$current_action_compgen" && "$completing_word" == -* ]] && action_compgen_word=""
    [ -n "$current_action_compgen" ] && {
      [[ "$current_action_compgen" =~ _(file|dir|glob|FILE|DIR|GLOB)|File|Dir|Glob ]] &&
        compopt -o filenames 2>/dev/null || : # bash>=4
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
        "$current_action_compgen" "$action_compgen_word")
    }
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(
      compgen -W "${current_action_choices[*]}" -- "$completing_word")
  fi

  if [[ ${#COMPREPLY[@]} = 0 ]]; then
    # native fallback matches are not necessarily filenames (e.g. variables)
    compopt +o filenames 2>/dev/null || : # bash>=4
  fi

  return 0
}

complete -o bashdefault -F _shtab_cl cl
