# Completion for eintrctl in fish: installed as vendor_completions.d/eintrctl.fish.
function __eintrctl_words
    set -l words (commandline -opc)
    count $words
end

function __eintrctl_command
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test "$words[3]" = "$argv[1]"
end

function __eintrctl_tasks
    set -l words (commandline -opc)
    $words[1] $words[2] list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
end

complete -c eintrctl -f
complete -c eintrctl -n 'test (__eintrctl_words) = 1' -F -s h -l help -d 'Help'
complete -c eintrctl -n 'test (__eintrctl_words) = 1' -F -l version -d 'Version'
complete -c eintrctl -n 'test (__eintrctl_words) = 1' -F -a '(__fish_complete_pids)'
complete -c eintrctl -n 'test (__eintrctl_words) = 2' -a list -d 'All threads, a line each'
complete -c eintrctl -n 'test (__eintrctl_words) = 2' -a dump -d 'All threads with their stacks'
complete -c eintrctl -n 'test (__eintrctl_words) = 2' -a interrupt -d 'Interrupt a task'
complete -c eintrctl -n 'test (__eintrctl_words) = 2' -a stop -d 'Interrupt the tasks of a group'
complete -c eintrctl -n 'test (__eintrctl_words) = 2' -a watch -d 'The list, each second anew'
complete -c eintrctl -n '__eintrctl_command dump; or __eintrctl_command list' -l json -d 'One object a thread and line'
complete -c eintrctl -n 'test (__eintrctl_words) = 3; and __eintrctl_command interrupt' -a '(__eintrctl_tasks)'
complete -c eintrctl -n '__eintrctl_command interrupt' -x -l reason -d 'Why'
complete -c eintrctl -n '__eintrctl_command interrupt; or __eintrctl_command stop' -x -l wait -d 'Seconds'
