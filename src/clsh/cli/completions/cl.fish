complete -c cl -e
complete -c cl -s h -l help -d 'show this help message and exit'
complete -c cl -l version -d 'show the version'
complete -c cl -f
complete -c cl -n __fish_use_subcommand -a completion -d 'shell completion: print the script for bash, zsh or fish'
complete -c cl -n '__fish_seen_subcommand_from completion' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish nodes groups'
complete -c cl -n __fish_use_subcommand -a config -d 'show the configuration, and where each value comes from'
complete -c cl -n '__fish_seen_subcommand_from config' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from config' -a show
complete -c cl -n '__fish_seen_subcommand_from config && __fish_seen_subcommand_from show' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from config && __fish_seen_subcommand_from show' -l origin -d 'with file and line, variable, or default'
complete -c cl -n '__fish_seen_subcommand_from config && __fish_seen_subcommand_from show' -l json -d 'one JSON object a line'
complete -c cl -n __fish_use_subcommand -a demo -d 'a cluster on this machine, to try clsh on'
complete -c cl -n '__fish_seen_subcommand_from demo' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo' -a up
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from up' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from up' -s n -l nodes -x -d 'how many nodes (4)'
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from up' -l servers -d 'SSH servers of our own, also for root'
complete -c cl -n '__fish_seen_subcommand_from demo' -a down
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from down' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo' -a status
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from status' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo' -a exec
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from exec' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo' -a kill
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from kill' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from kill' -f -a '(__fish_complete_list , "cl completion nodes")'
complete -c cl -n '__fish_seen_subcommand_from demo' -a start
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from start' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from demo && __fish_seen_subcommand_from start' -f -a '(__fish_complete_list , "cl completion nodes")'
complete -c cl -n __fish_use_subcommand -a nodes -d 'list nodes with cluster, groups, user, port, transport and address'
complete -c cl -n '__fish_seen_subcommand_from nodes' -s h -l help -d 'show this help message and exit'
complete -c cl -n '__fish_seen_subcommand_from nodes' -l json -d 'one JSON object a line'
