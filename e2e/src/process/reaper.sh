# Outlives the runner by a moment: told on stdin which process groups, directories and control
# groups are the runner's, it ends and removes what is left of them once stdin closes, however the
# runner ended.
trap '' HUP INT QUIT TERM
groups=
roots=
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
    uproot) roots="$roots $value" ;;
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
for root in $roots; do
    for tree in /sys/fs/cgroup/"$root" /sys/fs/cgroup/*/"$root"; do
        [ -d "$tree" ] || continue
        # A group can only go when the last process in it has.
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            find "$tree" -depth -type d -exec rmdir {} + && break
            sleep 0.1
        done
    done
done
