# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_runt_global_optspecs
    string join \n root= log= log-format= debug systemd-cgroup rootless= allow-systemd-property= criu= v/version h/help
end

function __fish_runt_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_runt_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_runt_using_subcommand
    set -l cmd (__fish_runt_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c runt -n "__fish_runt_needs_command" -l root -d 'Directory that holds the state of containers [default: /run/runt, or $XDG_RUNTIME_DIR/runt for a caller who is not root]' -r -F
complete -c runt -n "__fish_runt_needs_command" -l log -d 'File that messages are appended to [default: standard error]' -r -F
complete -c runt -n "__fish_runt_needs_command" -l log-format -d 'Format of messages: text or json' -r
complete -c runt -n "__fish_runt_needs_command" -l rootless -d 'Go on where permission on control groups is missing: true, false or auto' -r
complete -c runt -n "__fish_runt_needs_command" -l allow-systemd-property -d 'Let annotations set this property of the container\'s systemd scope; `all`: any, also those that run programs on the host' -r
complete -c runt -n "__fish_runt_needs_command" -l criu -d 'Accepted and ignored: criu is taken from $PATH' -r -F
complete -c runt -n "__fish_runt_needs_command" -l debug -d 'Log what is done'
complete -c runt -n "__fish_runt_needs_command" -l systemd-cgroup -d 'Let systemd make control groups; cgroupsPath is then slice:prefix:name'
complete -c runt -n "__fish_runt_needs_command" -s v -l version -d 'Print the version'
complete -c runt -n "__fish_runt_needs_command" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_needs_command" -f -a "check" -d 'Explain what of a bundle this host cannot honour, and why'
complete -c runt -n "__fish_runt_needs_command" -f -a "checkpoint" -d 'Save the state of a running container to files'
complete -c runt -n "__fish_runt_needs_command" -f -a "create" -d 'Create a container: everything but starting its program'
complete -c runt -n "__fish_runt_needs_command" -f -a "delete" -d 'Delete a stopped container and all that it holds'
complete -c runt -n "__fish_runt_needs_command" -f -a "events" -d 'Print statistics and out-of-memory events of a container'
complete -c runt -n "__fish_runt_needs_command" -f -a "exec" -d 'Run another process in a running container'
complete -c runt -n "__fish_runt_needs_command" -f -a "features" -d 'Print what this runtime can do, as the OCI features document'
complete -c runt -n "__fish_runt_needs_command" -f -a "kill" -d 'Send a signal to the container\'s init process'
complete -c runt -n "__fish_runt_needs_command" -f -a "list" -d 'List the containers of this root'
complete -c runt -n "__fish_runt_needs_command" -f -a "pause" -d 'Suspend all processes of a container'
complete -c runt -n "__fish_runt_needs_command" -f -a "plan" -d 'Print what creating a container would do, and do nothing'
complete -c runt -n "__fish_runt_needs_command" -f -a "ps" -d 'List the processes of a container'
complete -c runt -n "__fish_runt_needs_command" -f -a "restore" -d 'Restore a container from the files of a checkpoint'
complete -c runt -n "__fish_runt_needs_command" -f -a "resume" -d 'Let the processes of a paused container go on'
complete -c runt -n "__fish_runt_needs_command" -f -a "run" -d 'Create a container, start its program and wait for it'
complete -c runt -n "__fish_runt_needs_command" -f -a "spec" -d 'Write a config.json to start from into a bundle'
complete -c runt -n "__fish_runt_needs_command" -f -a "start" -d 'Start the program of a created container'
complete -c runt -n "__fish_runt_needs_command" -f -a "state" -d 'Print the state of a container as JSON'
complete -c runt -n "__fish_runt_needs_command" -f -a "update" -d 'Change the resource limits of a container'
complete -c runt -n "__fish_runt_using_subcommand check" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand check" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l image-path -d 'Directory of criu\'s images [default: checkpoint]' -r -F
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l work-path -d 'Directory of criu\'s logs and work files' -r -F
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l empty-ns -d 'Make this namespace but don\'t restore what it held (network)' -r
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l manage-cgroups-mode -d 'Control groups: soft, full, strict or ignore [default: soft]' -r
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l parent-path -d 'Images of an earlier pre-dump, relative to the image directory' -r -F
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l status-fd -d 'Descriptor that criu writes a NUL byte to when it is ready to serve pages' -r
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l page-server -d 'Page server' -r
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l tcp-established -d 'Allow open TCP connections'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l ext-unix-sk -d 'Allow unix sockets to processes outside'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l shell-job -d 'Allow a program on the caller\'s terminal'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l file-locks -d 'Allow file locks'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l lazy-pages -d 'Load memory pages when they are touched'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l auto-dedup -d 'Deduplicate memory images'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l leave-running -d 'Let the container go on'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l tcp-skip-in-flight -d 'Skip TCP connections that are being made'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l link-remap -d 'Link deleted files back where possible'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -l pre-dump -d 'Save memory only and let the container go on'
complete -c runt -n "__fish_runt_using_subcommand checkpoint" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand create" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand create" -l console-socket -d 'Unix socket that the master end of the terminal is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand create" -l pid-file -d 'File that the id of the init process is written to' -r -F
complete -c runt -n "__fish_runt_using_subcommand create" -l pidfd-socket -d 'Unix socket that a pidfd of the init process is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand create" -l preserve-fds -d 'Pass on N more descriptors, from 3 (after those of $LISTEN_FDS)' -r
complete -c runt -n "__fish_runt_using_subcommand create" -l no-pivot -d 'Move the root mount in the place of pivot_root, for a root file system on a ramdisk; weaker: the container could get out with CAP_SYS_CHROOT'
complete -c runt -n "__fish_runt_using_subcommand create" -l no-new-keyring -d 'Stay in the caller\'s session keyring'
complete -c runt -n "__fish_runt_using_subcommand create" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand delete" -s f -l force -d 'Kill the container if it runs; succeed if there is none'
complete -c runt -n "__fish_runt_using_subcommand delete" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand events" -l interval -d 'Time between two lines of statistics, such as 500ms, 5s or 1m30s' -r
complete -c runt -n "__fish_runt_using_subcommand events" -l stats -d 'Print the statistics once'
complete -c runt -n "__fish_runt_using_subcommand events" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand exec" -l console-socket -d 'Unix socket that the master end of the terminal is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand exec" -l pidfd-socket -d 'Unix socket that a pidfd of the process is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand exec" -l cwd -d 'Working directory in the container' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -s e -l env -d 'Add an environment variable; may be repeated' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -s u -l user -d 'User id, and group id after a colon' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -s g -l additional-gids -d 'Add a supplementary group; may be repeated' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -s p -l process -d 'Take the whole process object from a file' -r -F
complete -c runt -n "__fish_runt_using_subcommand exec" -l pid-file -d 'File that the process id is written to' -r -F
complete -c runt -n "__fish_runt_using_subcommand exec" -l process-label -d 'SELinux context of the process' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -l apparmor -d 'AppArmor profile of the process' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -l no-new-privs -d 'Set no_new_privs, or with `=false` don\'t, whatever the container has' -r -f -a "true\t''
false\t''"
complete -c runt -n "__fish_runt_using_subcommand exec" -s c -l cap -d 'Add a capability; may be repeated' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -l preserve-fds -d 'Pass on N more descriptors, from 3' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -l cgroup -d 'Put the process into a control group below the container\'s; may be repeated for the controllers of cgroup v1' -r
complete -c runt -n "__fish_runt_using_subcommand exec" -s t -l tty -d 'Give the process a new terminal'
complete -c runt -n "__fish_runt_using_subcommand exec" -s d -l detach -d 'Return once the program runs'
complete -c runt -n "__fish_runt_using_subcommand exec" -l ignore-paused -d 'Allow it in a paused container'
complete -c runt -n "__fish_runt_using_subcommand exec" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand features" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand kill" -s a -l all -d 'Send it to every process of the container, and don\'t fail where none is left'
complete -c runt -n "__fish_runt_using_subcommand kill" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand list" -s f -l format -d 'Output: table or json' -r
complete -c runt -n "__fish_runt_using_subcommand list" -s q -l quiet -d 'Print ids only'
complete -c runt -n "__fish_runt_using_subcommand list" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand pause" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand plan" -s f -l format -d 'Format of the plan: text or json' -r
complete -c runt -n "__fish_runt_using_subcommand plan" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand plan" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand ps" -s f -l format -d 'Output: table or json' -r
complete -c runt -n "__fish_runt_using_subcommand ps" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand restore" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand restore" -l console-socket -d 'Unix socket that the master end of the terminal is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand restore" -l pid-file -d 'File that the id of the init process is written to' -r -F
complete -c runt -n "__fish_runt_using_subcommand restore" -l image-path -d 'Directory of criu\'s images [default: checkpoint]' -r -F
complete -c runt -n "__fish_runt_using_subcommand restore" -l work-path -d 'Directory of criu\'s logs and work files' -r -F
complete -c runt -n "__fish_runt_using_subcommand restore" -l empty-ns -d 'Make this namespace but don\'t restore what it held (network)' -r
complete -c runt -n "__fish_runt_using_subcommand restore" -l manage-cgroups-mode -d 'Control groups: soft, full, strict or ignore [default: soft]' -r
complete -c runt -n "__fish_runt_using_subcommand restore" -l lsm-profile -d 'Profile of a security module, as TYPE:NAME' -r
complete -c runt -n "__fish_runt_using_subcommand restore" -l lsm-mount-context -d 'Mount context of a security module' -r
complete -c runt -n "__fish_runt_using_subcommand restore" -l no-pivot -d 'Move the root mount in the place of pivot_root, for a root file system on a ramdisk; weaker: the container could get out with CAP_SYS_CHROOT'
complete -c runt -n "__fish_runt_using_subcommand restore" -s d -l detach -d 'Return once the program runs'
complete -c runt -n "__fish_runt_using_subcommand restore" -l no-subreaper -d 'Don\'t become the parent of processes the container leaves behind'
complete -c runt -n "__fish_runt_using_subcommand restore" -l tcp-established -d 'Allow open TCP connections'
complete -c runt -n "__fish_runt_using_subcommand restore" -l ext-unix-sk -d 'Allow unix sockets to processes outside'
complete -c runt -n "__fish_runt_using_subcommand restore" -l shell-job -d 'Allow a program on the caller\'s terminal'
complete -c runt -n "__fish_runt_using_subcommand restore" -l file-locks -d 'Allow file locks'
complete -c runt -n "__fish_runt_using_subcommand restore" -l lazy-pages -d 'Load memory pages when they are touched'
complete -c runt -n "__fish_runt_using_subcommand restore" -l auto-dedup -d 'Deduplicate memory images'
complete -c runt -n "__fish_runt_using_subcommand restore" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand resume" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand run" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand run" -l console-socket -d 'Unix socket that the master end of the terminal is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand run" -l pid-file -d 'File that the id of the init process is written to' -r -F
complete -c runt -n "__fish_runt_using_subcommand run" -l pidfd-socket -d 'Unix socket that a pidfd of the init process is sent to' -r -F
complete -c runt -n "__fish_runt_using_subcommand run" -l preserve-fds -d 'Pass on N more descriptors, from 3 (after those of $LISTEN_FDS)' -r
complete -c runt -n "__fish_runt_using_subcommand run" -l no-pivot -d 'Move the root mount in the place of pivot_root, for a root file system on a ramdisk; weaker: the container could get out with CAP_SYS_CHROOT'
complete -c runt -n "__fish_runt_using_subcommand run" -l no-new-keyring -d 'Stay in the caller\'s session keyring'
complete -c runt -n "__fish_runt_using_subcommand run" -s d -l detach -d 'Return once the program runs'
complete -c runt -n "__fish_runt_using_subcommand run" -l no-subreaper -d 'Don\'t become the parent of processes the container leaves behind'
complete -c runt -n "__fish_runt_using_subcommand run" -l keep -d 'Keep the stopped container instead of deleting it'
complete -c runt -n "__fish_runt_using_subcommand run" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand spec" -s b -l bundle -d 'Directory of the bundle [default: the working directory]' -r -F
complete -c runt -n "__fish_runt_using_subcommand spec" -l rootless -d 'For a container run by a user who is not root'
complete -c runt -n "__fish_runt_using_subcommand spec" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand start" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand state" -s h -l help -d 'Print help'
complete -c runt -n "__fish_runt_using_subcommand update" -s r -l resources -d 'File with the new limits as JSON, or - for standard input' -r -F
complete -c runt -n "__fish_runt_using_subcommand update" -l blkio-weight -d 'Relative weight of block I/O, 10 to 1000' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-period -d 'Length of a period of CPU time, in microseconds; 0 for the default' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-quota -d 'CPU time in a period, in microseconds' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-burst -d 'CPU time saved up for a burst, in microseconds' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-share -d 'Relative weight of CPU time' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-rt-period -d 'Period of real-time CPU time, in microseconds; 0 for the default' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-rt-runtime -d 'Real-time CPU time in a period, in microseconds' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpuset-cpus -d 'CPUs to use, such as 0-3,7' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpuset-mems -d 'Memory nodes to use' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l kernel-memory -d 'Obsolete: the kernel has no such limit any more' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l kernel-memory-tcp -d 'Obsolete: the kernel has no such limit any more' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l memory -d 'Memory limit, in bytes or with a suffix such as 512m; -1 for none' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l cpu-idle -d '1 to run only when CPUs are idle (SCHED_IDLE), 0 for as usual' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l memory-reservation -d 'Soft limit of memory, in bytes' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l memory-swap -d 'Limit of memory and swap together, in bytes; -1 for none' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l pids-limit -d 'How many tasks; -1 for any number' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l l3-cache-schema -d 'Intel RDT: schema of the L3 cache' -r
complete -c runt -n "__fish_runt_using_subcommand update" -l mem-bw-schema -d 'Intel RDT: schema of memory bandwidth' -r
complete -c runt -n "__fish_runt_using_subcommand update" -s h -l help -d 'Print help'
