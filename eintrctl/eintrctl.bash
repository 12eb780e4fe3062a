# Completion for eintrctl in bash.
_eintrctl() {
    local word=${COMP_WORDS[COMP_CWORD]} words=
    case $COMP_CWORD,${COMP_WORDS[2]-} in
        1,*) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        2,*) words='list dump interrupt stop watch' ;;
        3,dump) words=--json ;;
        *,interrupt) words='--reason --wait' ;;
        *,stop) words=--wait ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _eintrctl eintrctl
