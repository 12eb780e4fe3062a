#compdef eintrctl
# Completion for eintrctl in zsh: installed as _eintrctl where $fpath looks.
_eintrctl() {
    local -a commands tasks
    commands=(
        'list:all threads, a line each'
        'dump:all threads with their stacks'
        'interrupt:interrupt a task'
        'stop:interrupt the tasks of a group'
        'watch:the list, each second anew'
    )
    if (( CURRENT == 2 )); then
        _alternative 'pids:process:_pids' 'sockets:socket:_files' 'options:option:(--help --version)'
        return
    fi
    case $CURRENT,${words[3]} in
        3,*) _describe command commands ;;
        4,dump|4,list) compadd -- --json ;;
        4,interrupt)
            tasks=(${(f)"$(${words[1]} ${words[2]} list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }')"})
            compadd -a tasks
            ;;
        *,interrupt) compadd -- --reason --wait ;;
        *,stop) compadd -- --wait ;;
    esac
}
_eintrctl "$@"
