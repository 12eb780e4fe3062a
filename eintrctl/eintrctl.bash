# Completion for eintrctl in bash: sourced, or installed as bash-completion/completions/eintrctl.
_eintrctl() {
    local word=${COMP_WORDS[COMP_CWORD]} words=
    case $COMP_CWORD,${COMP_WORDS[2]-} in
        1,*)
            mapfile -t COMPREPLY < <(compgen -f -- "$word"; compgen -W '--help --version' -- "$word")
            return
            ;;
        2,*) words='list dump interrupt stop watch' ;;
        3,dump | 3,list) words=--json ;;
        # The tasks' numbers.
        3,interrupt)
            words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }')
            ;;
        *,interrupt) words='--reason --wait' ;;
        *,stop) words=--wait ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _eintrctl eintrctl
