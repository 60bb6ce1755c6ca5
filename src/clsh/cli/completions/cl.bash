_shtab_cl_config_subparsers=(show)
_shtab_cl_demo_subparsers=(up down status exec jobs kill start)
_shtab_cl_token_subparsers=(create list remove)
_shtab_cl_user_subparsers=(add list remove passwd link admin)
_shtab_cl_subparsers=(alerts audit cancel completion config demo doctor down hold job jobs metrics nodes ps queue release requeue status sub submit token top unit up user)

_shtab_cl_alerts_option_strings=(-h --help --json)
_shtab_cl_audit_option_strings=(-h --help --since --json)
_shtab_cl_cancel_option_strings=(-h --help --mine --json)
_shtab_cl_completion_option_strings=(-h --help)
_shtab_cl_config_show_option_strings=(-h --help --origin --json)
_shtab_cl_config_option_strings=(-h --help)
_shtab_cl_demo_up_option_strings=(-h --help -n --nodes --servers)
_shtab_cl_demo_down_option_strings=(-h --help)
_shtab_cl_demo_status_option_strings=(-h --help)
_shtab_cl_demo_exec_option_strings=(-h --help)
_shtab_cl_demo_jobs_option_strings=(-h --help)
_shtab_cl_demo_kill_option_strings=(-h --help)
_shtab_cl_demo_start_option_strings=(-h --help)
_shtab_cl_demo_option_strings=(-h --help)
_shtab_cl_doctor_option_strings=(-h --help --json)
_shtab_cl_down_option_strings=(-h --help --demo)
_shtab_cl_hold_option_strings=(-h --help --mine --json)
_shtab_cl_job_option_strings=(-h --help --task -f --follow --output --error --json)
_shtab_cl_jobs_option_strings=(-h --help -a --all -u --owner --user -s --state --open --name -w --node --sort -r --reverse -n --limit --json)
_shtab_cl_metrics_option_strings=(-h --help --since --until --json)
_shtab_cl_nodes_option_strings=(-h --help --state --json)
_shtab_cl_ps_option_strings=(--help -h --hosts -x --exclude -a --all -g --group --hostfile -f --fanout --connect-timeout --ask-pass --pass-file --transport -l --login --user --name --sort -r --reverse --json)
_shtab_cl_queue_option_strings=(-h --help --json)
_shtab_cl_release_option_strings=(-h --help --mine --json)
_shtab_cl_requeue_option_strings=(-h --help --mine --json)
_shtab_cl_status_option_strings=(-h --help --json)
_shtab_cl_sub_option_strings=(-h --help --wait --dry-run --json -J --job-name -o --output -e --error -i --input -t --time -n --ntasks -N --nodes --ntasks-per-node -c --cpus-per-task --mem --mem-per-cpu -a --array -d --dependency -D --chdir --workdir --gres -G --gpus --gpus-per-node --gpus-per-task --export --requeue --no-requeue -w --nodelist --nice --priority -H --hold --mail-user --mail-type --signal --wrap)
_shtab_cl_submit_option_strings=(-h --help -J --name --job-name -k --kind -D --directory --chdir -i --input -o --output -e --error --env --send --priority -c --slots --cpus-per-task -m --memory --mem --rss-limit -t --time-limit --time -G --gpus -n --tasks --ntasks --tasks-per-node --ntasks-per-node --once -a --array --metric -w --nodes --nodelist -d --after --dependency --restart --again --restart-command --checkpoint-signal --notify -H --held --hold --key --wait --dry-run --json)
_shtab_cl_token_create_option_strings=(-h --help --scope --days)
_shtab_cl_token_list_option_strings=(-h --help --all --json)
_shtab_cl_token_remove_option_strings=(-h --help)
_shtab_cl_token_option_strings=(-h --help)
_shtab_cl_top_option_strings=(--help -h --hosts -x --exclude -a --all -g --group --hostfile -f --fanout --connect-timeout --ask-pass --pass-file --transport -l --login --once --json -n --count --interval --sort)
_shtab_cl_unit_option_strings=(-h --help)
_shtab_cl_up_option_strings=(-h --help --foreground --demo -n --nodes)
_shtab_cl_user_add_option_strings=(-h --help --admin --no-password --password-file)
_shtab_cl_user_list_option_strings=(-h --help --json)
_shtab_cl_user_remove_option_strings=(-h --help)
_shtab_cl_user_passwd_option_strings=(-h --help --password-file)
_shtab_cl_user_link_option_strings=(-h --help)
_shtab_cl_user_admin_option_strings=(-h --help --off)
_shtab_cl_user_option_strings=(-h --help)
_shtab_cl_option_strings=(-h --help --version)

_shtab_cl_demo_exec_pos_0_COMPGEN=_clsh_commands
_shtab_cl_demo_kill_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_demo_start_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_jobs__w_COMPGEN=_clsh_nodes
_shtab_cl_jobs___node_COMPGEN=_clsh_nodes
_shtab_cl_metrics_pos_0_COMPGEN=_clsh_nodes
_shtab_cl_ps__h_COMPGEN=_clsh_nodes
_shtab_cl_ps___hosts_COMPGEN=_clsh_nodes
_shtab_cl_ps__x_COMPGEN=_clsh_nodes
_shtab_cl_ps___exclude_COMPGEN=_clsh_nodes
_shtab_cl_ps__g_COMPGEN=_clsh_groups
_shtab_cl_ps___group_COMPGEN=_clsh_groups
_shtab_cl_ps___hostfile_COMPGEN=_shtab_compgen_files
_shtab_cl_ps___pass_file_COMPGEN=_shtab_compgen_files
_shtab_cl_submit__D_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___directory_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___chdir_COMPGEN=_shtab_compgen_files
_shtab_cl_submit__i_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___input_COMPGEN=_shtab_compgen_files
_shtab_cl_submit__o_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___output_COMPGEN=_shtab_compgen_files
_shtab_cl_submit__e_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___error_COMPGEN=_shtab_compgen_files
_shtab_cl_submit___send_COMPGEN=_shtab_compgen_files
_shtab_cl_submit__w_COMPGEN=_clsh_nodes
_shtab_cl_submit___nodes_COMPGEN=_clsh_nodes
_shtab_cl_submit___nodelist_COMPGEN=_clsh_nodes
_shtab_cl_submit___restart_command_COMPGEN=_clsh_commands
_shtab_cl_top__h_COMPGEN=_clsh_nodes
_shtab_cl_top___hosts_COMPGEN=_clsh_nodes
_shtab_cl_top__x_COMPGEN=_clsh_nodes
_shtab_cl_top___exclude_COMPGEN=_clsh_nodes
_shtab_cl_top__g_COMPGEN=_clsh_groups
_shtab_cl_top___group_COMPGEN=_clsh_groups
_shtab_cl_top___hostfile_COMPGEN=_shtab_compgen_files
_shtab_cl_top___pass_file_COMPGEN=_shtab_compgen_files
_shtab_cl_user_add___password_file_COMPGEN=_shtab_compgen_files
_shtab_cl_user_passwd___password_file_COMPGEN=_shtab_compgen_files

_shtab_cl_completion_pos_0_choices=(bash zsh fish nodes groups)
_shtab_cl_config_pos_0_choices=(show)
_shtab_cl_demo_pos_0_choices=(up down status exec jobs kill start)
_shtab_cl_jobs__s_choices=(held waiting pending running done failed cancelled)
_shtab_cl_jobs___state_choices=(held waiting pending running done failed cancelled)
_shtab_cl_jobs___sort_choices=(id submitted name owner)
_shtab_cl_nodes___state_choices=(up lost new)
_shtab_cl_token_create___scope_choices=(read jobs admin)
_shtab_cl_token_pos_0_choices=(create list remove)
_shtab_cl_user_pos_0_choices=(add list remove passwd link admin)
_shtab_cl_pos_0_choices=(alerts audit cancel completion config demo doctor down hold job jobs metrics nodes ps queue release requeue status sub submit token top unit up user)

_shtab_cl_alerts__h_nargs=0
_shtab_cl_alerts___help_nargs=0
_shtab_cl_alerts___json_nargs=0
_shtab_cl_audit__h_nargs=0
_shtab_cl_audit___help_nargs=0
_shtab_cl_audit___json_nargs=0
_shtab_cl_cancel_pos_0_nargs='*'
_shtab_cl_cancel__h_nargs=0
_shtab_cl_cancel___help_nargs=0
_shtab_cl_cancel___mine_nargs=0
_shtab_cl_cancel___json_nargs=0
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
_shtab_cl_demo_jobs__h_nargs=0
_shtab_cl_demo_jobs___help_nargs=0
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
_shtab_cl_hold_pos_0_nargs='*'
_shtab_cl_hold__h_nargs=0
_shtab_cl_hold___help_nargs=0
_shtab_cl_hold___mine_nargs=0
_shtab_cl_hold___json_nargs=0
_shtab_cl_job__h_nargs=0
_shtab_cl_job___help_nargs=0
_shtab_cl_job__f_nargs=0
_shtab_cl_job___follow_nargs=0
_shtab_cl_job___output_nargs=0
_shtab_cl_job___error_nargs=0
_shtab_cl_job___json_nargs=0
_shtab_cl_jobs__h_nargs=0
_shtab_cl_jobs___help_nargs=0
_shtab_cl_jobs__a_nargs=0
_shtab_cl_jobs___all_nargs=0
_shtab_cl_jobs___open_nargs=0
_shtab_cl_jobs__r_nargs=0
_shtab_cl_jobs___reverse_nargs=0
_shtab_cl_jobs___json_nargs=0
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
_shtab_cl_queue__h_nargs=0
_shtab_cl_queue___help_nargs=0
_shtab_cl_queue___json_nargs=0
_shtab_cl_release_pos_0_nargs='*'
_shtab_cl_release__h_nargs=0
_shtab_cl_release___help_nargs=0
_shtab_cl_release___mine_nargs=0
_shtab_cl_release___json_nargs=0
_shtab_cl_requeue_pos_0_nargs='*'
_shtab_cl_requeue__h_nargs=0
_shtab_cl_requeue___help_nargs=0
_shtab_cl_requeue___mine_nargs=0
_shtab_cl_requeue___json_nargs=0
_shtab_cl_status__h_nargs=0
_shtab_cl_status___help_nargs=0
_shtab_cl_status___json_nargs=0
_shtab_cl_sub_pos_0_nargs=...
_shtab_cl_sub__h_nargs=0
_shtab_cl_sub___help_nargs=0
_shtab_cl_sub___wait_nargs=0
_shtab_cl_sub___dry_run_nargs=0
_shtab_cl_sub___json_nargs=0
_shtab_cl_sub___requeue_nargs=0
_shtab_cl_sub___no_requeue_nargs=0
_shtab_cl_sub__H_nargs=0
_shtab_cl_sub___hold_nargs=0
_shtab_cl_submit_pos_0_nargs=...
_shtab_cl_submit__h_nargs=0
_shtab_cl_submit___help_nargs=0
_shtab_cl_submit___once_nargs=0
_shtab_cl_submit__H_nargs=0
_shtab_cl_submit___held_nargs=0
_shtab_cl_submit___hold_nargs=0
_shtab_cl_submit___wait_nargs=0
_shtab_cl_submit___dry_run_nargs=0
_shtab_cl_submit___json_nargs=0
_shtab_cl_token_create__h_nargs=0
_shtab_cl_token_create___help_nargs=0
_shtab_cl_token_list__h_nargs=0
_shtab_cl_token_list___help_nargs=0
_shtab_cl_token_list___all_nargs=0
_shtab_cl_token_list___json_nargs=0
_shtab_cl_token_remove__h_nargs=0
_shtab_cl_token_remove___help_nargs=0
_shtab_cl_token_pos_0_nargs=A...
_shtab_cl_token__h_nargs=0
_shtab_cl_token___help_nargs=0
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
_shtab_cl_user_add__h_nargs=0
_shtab_cl_user_add___help_nargs=0
_shtab_cl_user_add___admin_nargs=0
_shtab_cl_user_add___no_password_nargs=0
_shtab_cl_user_list__h_nargs=0
_shtab_cl_user_list___help_nargs=0
_shtab_cl_user_list___json_nargs=0
_shtab_cl_user_remove__h_nargs=0
_shtab_cl_user_remove___help_nargs=0
_shtab_cl_user_passwd__h_nargs=0
_shtab_cl_user_passwd___help_nargs=0
_shtab_cl_user_link__h_nargs=0
_shtab_cl_user_link___help_nargs=0
_shtab_cl_user_admin__h_nargs=0
_shtab_cl_user_admin___help_nargs=0
_shtab_cl_user_admin___off_nargs=0
_shtab_cl_user_pos_0_nargs=A...
_shtab_cl_user__h_nargs=0
_shtab_cl_user___help_nargs=0
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
