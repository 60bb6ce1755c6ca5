#compdef cl

_shtab_cl_commands() {
  local _commands=(
    alerts:'what is wrong on the grid now'
    audit:'who changed what: logins, users, tokens, jobs'
    cancel:'end jobs, or tasks of them'
    completion:'shell completion: print the script for bash, zsh or fish'
    config:'show the configuration, and where each value comes from'
    demo:'a cluster on this machine, to try clsh on'
    doctor:'say what is missing on the manager and the nodes, and what mends it'
    down:'end the manager; the nodes go on'
    hold:'do not start jobs before they are released'
    job:'show one job: its state, its nodes and why these, what it writes'
    jobs:'list your jobs, or all that you may see'
    metrics:'what a node measures, now or over time as a chart'
    nodes:'list nodes with state, load, memory, groups and how they are reached'
    ps:'processes of all nodes'
    queue:'how many jobs there are, what runs on each node, why the next one waits'
    release:'let held jobs start'
    requeue:'run jobs again from the start'
    status:'show how the manager fares: its nodes, sources and store'
    sub:'submit a script with #SBATCH lines'
    submit:'run a command on the cluster when there is room for it'
    token:'make, list and end the tokens by which programs ask the manager'
    top:'nodes and their processes, live'
    unit:'print a systemd unit for the manager'
    up:'start the manager: it watches the nodes and serves the web page'
    user:'add, list and remove users, and make addresses that log them in'
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
    jobs:'run a job of each class, and show where they ran'
    kill:'lose a node: it is gone, with all that it ran'
    start:'bring a lost node back'
    status:'show the nodes'
    up:'start the nodes: in namespaces for root on Linux, else as SSH servers of our own'
  )
  _describe 'cl demo commands' _commands
}

_shtab_cl_token_commands() {
  local _commands=(
    create:'make a token of yours and print it'
    list:'list your tokens'
    remove:'end a token'
  )
  _describe 'cl token commands' _commands
}

_shtab_cl_user_commands() {
  local _commands=(
    add:'add a local user'
    admin:'make a local user an administrator'
    link:'print an address that logs a user in once, within a day'
    list:'list the users'
    passwd:'give a local user a new password'
    remove:'remove a user, and end their sessions and tokens'
  )
  _describe 'cl user commands' _commands
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

_shtab_cl_audit_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--since[how long ago it begins (30m, 6h, 1d, 2w, 1y), or Unix seconds (1w)]:TIME:"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_audit_defaults_added=0

_shtab_cl_cancel_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mine[all of yours that have not ended]"
  "--json[one JSON object a line]"
  "(*)::12, a task 12.3, or several\: 12-20 14.0-5:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_cancel_defaults_added=0

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

_shtab_cl_demo_jobs_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_demo_jobs_defaults_added=0

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

_shtab_cl_hold_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mine[all of yours that have not ended]"
  "--json[one JSON object a line]"
  "(*)::12, a task 12.3, or several\: 12-20 14.0-5:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_hold_defaults_added=0

_shtab_cl_job_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--task[only this task of an array]:I:"
  {-f,--follow}"[show what it writes until it has ended]"
  "--output[only its whole output, as it is]"
  "--error[only its whole standard error, as it is]"
  "--json[one JSON object]"
  ":its number\; 12.3 is task 3 of job 12:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_job_defaults_added=0

_shtab_cl_jobs_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  {-a,--all}"[all that you may see]"
  {-u,--owner,--user}"[only jobs of this user]:NAME:"
  "*"{-s,--state}"[only jobs in this state]:state:(held waiting pending running done failed cancelled)"
  "--open[only jobs that have not ended]"
  "--name[only with TEXT in name or command]:TEXT:"
  {-w,--node}"[only with a task on this node]:NODE:_clsh_nodes"
  "--sort[sort by this column]:sort:(id submitted name owner)"
  {-r,--reverse}"[the other way round]"
  {-n,--limit}"[so many at most (50)]:N:"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_jobs_defaults_added=0

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

_shtab_cl_queue_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_queue_defaults_added=0

_shtab_cl_release_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mine[all of yours that have not ended]"
  "--json[one JSON object a line]"
  "(*)::12, a task 12.3, or several\: 12-20 14.0-5:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_release_defaults_added=0

_shtab_cl_requeue_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--mine[all of yours that have not ended]"
  "--json[one JSON object a line]"
  "(*)::12, a task 12.3, or several\: 12-20 14.0-5:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_requeue_defaults_added=0

_shtab_cl_status_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_status_defaults_added=0

_shtab_cl_sub_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--wait[wait for its end, and exit with its status]"
  "--dry-run[show what would be submitted, and submit nothing]"
  "--json[one JSON object]"
  "*"{-J,--job-name}"[as sbatch has it]:VALUE:"
  "*"{-o,--output}"[as sbatch has it]:VALUE:"
  "*"{-e,--error}"[as sbatch has it]:VALUE:"
  "*"{-i,--input}"[as sbatch has it]:VALUE:"
  "*"{-t,--time}"[as sbatch has it]:VALUE:"
  "*"{-n,--ntasks}"[as sbatch has it]:VALUE:"
  "*"{-N,--nodes}"[as sbatch has it]:VALUE:"
  "*--ntasks-per-node[as sbatch has it]:VALUE:"
  "*"{-c,--cpus-per-task}"[as sbatch has it]:VALUE:"
  "*--mem[as sbatch has it]:VALUE:"
  "*--mem-per-cpu[as sbatch has it]:VALUE:"
  "*"{-a,--array}"[as sbatch has it]:VALUE:"
  "*"{-d,--dependency}"[as sbatch has it]:VALUE:"
  "*"{-D,--chdir}"[as sbatch has it]:VALUE:"
  "*--workdir[as sbatch has it]:VALUE:"
  "*--gres[as sbatch has it]:VALUE:"
  "*"{-G,--gpus}"[as sbatch has it]:VALUE:"
  "*--gpus-per-node[as sbatch has it]:VALUE:"
  "*--gpus-per-task[as sbatch has it]:VALUE:"
  "*--export[as sbatch has it]:VALUE:"
  "*--requeue[as sbatch has it]"
  "*--no-requeue[as sbatch has it]"
  "*"{-w,--nodelist}"[as sbatch has it]:VALUE:"
  "*--nice[as sbatch has it]:VALUE:"
  "*--priority[as sbatch has it]:VALUE:"
  "*"{-H,--hold}"[as sbatch has it]"
  "*--mail-user[as sbatch has it]:VALUE:"
  "*--mail-type[as sbatch has it]:VALUE:"
  "*--signal[as sbatch has it]:VALUE:"
  "*--wrap[as sbatch has it]:VALUE:"
  "(-)*::the script, - for standard input, and its arguments:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_sub_defaults_added=0

_shtab_cl_submit_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  {-J,--name,--job-name}"[to tell jobs apart]:NAME:"
  {-k,--kind}"[one process, independent tasks, or ranks of MPI that start together\; guessed from the other fields]:KIND:"
  {-D,--directory,--chdir}"[where it runs\; it must exist on the node (your home directory there)]:DIR:_files"
  {-i,--input}"[standard input, from the directory\; \%j is the job, \%t the task, \%N the node]:FILE:_files"
  {-o,--output}"[standard output, likewise\; without it the output is kept for \`cl job\`]:FILE:_files"
  {-e,--error}"[standard error, likewise\; it may be the output file]:FILE:_files"
  "*--env[variables of the job]:NAME=VALUE:"
  "*--send[files to put into a directory of the job first, which is \$CLSH_SENT\; it runs there unless a directory is given]:FILE:_files"
  "--priority[higher is sooner]:N:"
  {-c,--slots,--cpus-per-task}"[cores of each task]:N:"
  {-m,--memory,--mem}"[memory that each task needs]:SIZE:"
  "--rss-limit[a task that takes more is ended]:SIZE:"
  {-t,--time-limit,--time}"[a task that runs longer is ended]:TIME:"
  {-G,--gpus}"[GPUs of each task]:N:"
  {-n,--tasks,--ntasks}"[ranks of MPI, or independent tasks with --kind batch]:N:"
  {--tasks-per-node,--ntasks-per-node}"[ranks on one node at most (as many as fit)]:N:"
  "--once[the command is run once, on the first node, and calls mpirun itself]"
  {-a,--array}"[a task for each index]:INDEXES:"
  "--metric[what the nodes are chosen by]:METRIC:"
  {-w,--nodes,--nodelist}"[these nodes, in this order]:LIST:_clsh_nodes"
  {-d,--after,--dependency}"[start when these jobs have ended]:JOBS:"
  "--restart[after a lost node\: not, from the start, or from a checkpoint]:HOW:"
  "--again[how often it is restarted without being asked (1 with --restart)]:N:"
  "--restart-command[what is run instead when it goes on from its own checkpoint]:COMMAND:_clsh_commands"
  "--checkpoint-signal[makes the job write its own checkpoint]:SIGNAL:"
  "*--notify[a mail address, or a channel of the manager, that is told of its end\; of more with begin\+fail\:ADDRESS or all\:ADDRESS]:WHO:"
  {-H,--held,--hold}"[do not start it before \`cl release\`]"
  "--key[the same key is the same job, so that a submission can be repeated]:KEY:"
  "--wait[wait for its end, and exit with its status]"
  "--dry-run[show what would be submitted, and submit nothing]"
  "--json[one JSON object]"
  "(-)*::the program and its arguments, run without a shell\; options come before it:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_submit_defaults_added=0

_shtab_cl_token_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_token_defaults_added=0

_shtab_cl_token_create_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--scope[read what is yours, handle jobs (the default), or all that you may]:scope:(read jobs admin)"
  "--days[how long it lasts (90)]:N:"
  ":what it is for:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_token_create_defaults_added=0

_shtab_cl_token_list_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--all[everybody\'s, for administrators]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_token_list_defaults_added=0

_shtab_cl_token_remove_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":its id, or the name of one of yours:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_token_remove_defaults_added=0

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

_shtab_cl_user_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_defaults_added=0

_shtab_cl_user_add_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--admin[an administrator]"
  "--no-password[without a password\: only \`cl user link\` lets them in]"
  "--password-file[the password is the first line of FILE, which is its owner\'s alone]:FILE:_files"
  ":NAME:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_add_defaults_added=0

_shtab_cl_user_admin_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--off[make them none]"
  ":NAME:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_admin_defaults_added=0

_shtab_cl_user_link_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":you, if left out:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_link_defaults_added=0

_shtab_cl_user_list_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--json[one JSON object a line]"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_list_defaults_added=0

_shtab_cl_user_passwd_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  "--password-file[the password is the first line of FILE, which is its owner\'s alone]:FILE:_files"
  ":yours, if left out:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_passwd_defaults_added=0

_shtab_cl_user_remove_options=(
  "(- : *)"{-h,--help}"[show this help message and exit]"
  ":NAME:"
)

# guard to ensure default positional specs are added only once per session
_shtab_cl_user_remove_defaults_added=0

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
        audit) _arguments -C -s $_shtab_cl_audit_options ;;
        cancel) _arguments -C -s $_shtab_cl_cancel_options ;;
        completion) _arguments -C -s $_shtab_cl_completion_options ;;
        config) _shtab_cl_config ;;
        demo) _shtab_cl_demo ;;
        doctor) _arguments -C -s $_shtab_cl_doctor_options ;;
        down) _arguments -C -s $_shtab_cl_down_options ;;
        hold) _arguments -C -s $_shtab_cl_hold_options ;;
        job) _arguments -C -s $_shtab_cl_job_options ;;
        jobs) _arguments -C -s $_shtab_cl_jobs_options ;;
        metrics) _arguments -C -s $_shtab_cl_metrics_options ;;
        nodes) _arguments -C -s $_shtab_cl_nodes_options ;;
        ps) _arguments -C -s $_shtab_cl_ps_options ;;
        queue) _arguments -C -s $_shtab_cl_queue_options ;;
        release) _arguments -C -s $_shtab_cl_release_options ;;
        requeue) _arguments -C -s $_shtab_cl_requeue_options ;;
        status) _arguments -C -s $_shtab_cl_status_options ;;
        sub) _arguments -C -s $_shtab_cl_sub_options ;;
        submit) _arguments -C -s $_shtab_cl_submit_options ;;
        token) _shtab_cl_token ;;
        top) _arguments -C -s $_shtab_cl_top_options ;;
        unit) _arguments -C -s $_shtab_cl_unit_options ;;
        up) _arguments -C -s $_shtab_cl_up_options ;;
        user) _shtab_cl_user ;;
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
        jobs) _arguments -C -s $_shtab_cl_demo_jobs_options ;;
        kill) _arguments -C -s $_shtab_cl_demo_kill_options ;;
        start) _arguments -C -s $_shtab_cl_demo_start_options ;;
        status) _arguments -C -s $_shtab_cl_demo_status_options ;;
        up) _arguments -C -s $_shtab_cl_demo_up_options ;;
      esac
  esac
}

_shtab_cl_token() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->token'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_cl_token_defaults_added )); then
    if (( ${_shtab_cl_token_options[(I)${(q)one_or_more}*]} +          ${_shtab_cl_token_options[(I)${(q)remainder}*]} +          ${_shtab_cl_token_options[(I)${(q)default}]} == 0 )); then
      _shtab_cl_token_options+=(': :_shtab_cl_token_commands' '*::: :->token')
    fi
    _shtab_cl_token_defaults_added=1
  fi
  _arguments -C -s $_shtab_cl_token_options

  case $state in
    token)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_cl_token-$line[1]:"
      case $line[1] in
        create) _arguments -C -s $_shtab_cl_token_create_options ;;
        list) _arguments -C -s $_shtab_cl_token_list_options ;;
        remove) _arguments -C -s $_shtab_cl_token_remove_options ;;
      esac
  esac
}

_shtab_cl_user() {
  local context state line curcontext="$curcontext" one_or_more='(*)' remainder='(-)*:' default='*::: :->user'

  # Add default positional/remainder specs only if none exist, and only once per session
  if (( ! _shtab_cl_user_defaults_added )); then
    if (( ${_shtab_cl_user_options[(I)${(q)one_or_more}*]} +          ${_shtab_cl_user_options[(I)${(q)remainder}*]} +          ${_shtab_cl_user_options[(I)${(q)default}]} == 0 )); then
      _shtab_cl_user_options+=(': :_shtab_cl_user_commands' '*::: :->user')
    fi
    _shtab_cl_user_defaults_added=1
  fi
  _arguments -C -s $_shtab_cl_user_options

  case $state in
    user)
      words=($line[1] "${words[@]}")
      (( CURRENT += 1 ))
      curcontext="${curcontext%:*:*}:_shtab_cl_user-$line[1]:"
      case $line[1] in
        add) _arguments -C -s $_shtab_cl_user_add_options ;;
        admin) _arguments -C -s $_shtab_cl_user_admin_options ;;
        link) _arguments -C -s $_shtab_cl_user_link_options ;;
        list) _arguments -C -s $_shtab_cl_user_list_options ;;
        passwd) _arguments -C -s $_shtab_cl_user_passwd_options ;;
        remove) _arguments -C -s $_shtab_cl_user_remove_options ;;
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
