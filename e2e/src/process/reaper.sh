# Outlives the runner by a moment: told on stdin which process groups and directories are the
# runner's, it ends and removes what is left of them once stdin closes, however the runner ended.
trap '' HUP INT QUIT TERM
groups=
while read -r verb value; do
    case $verb in
    watch) groups="$groups $value" ;;
    forget)
        rest=
        for group in $groups; do
            [ "$group" = "$value" ] || rest="$rest $group"
        done
        groups=$rest
        ;;
    sweep) set -- "$@" "$value" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
for directory in "$@"; do
    # A dying process may still write into it.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -rf -- "$directory" && break
        sleep 0.1
    done
done
