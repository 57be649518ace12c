# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_imgmgr_global_optspecs
    string join \n root= no-sync progress= authfile= registries-conf= hosts-dir= cert-dir= insecure-registry= tls-verify= ca-file= client-cert= creds= policy= insecure-policy attempts= stall-timeout= h/help V/version
end

function __fish_imgmgr_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_imgmgr_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_imgmgr_using_subcommand
    set -l cmd (__fish_imgmgr_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c imgmgr -n "__fish_imgmgr_needs_command" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -s V -l version -d 'Print version'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "push" -d 'Push an image of the store to a registry'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "copy" -d 'Copy an image between registries, the store, layouts and archives'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "save" -d 'Write images of the store to an archive'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "load" -d 'Read images from an archive into the store'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "sync" -d 'Copy all tags of repositories to another registry or to the store'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "list" -d 'List the images of the store'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "images" -d 'List the images of the store'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "tag" -d 'Give an image another name'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "untag" -d 'Take names away; `gc` frees the space'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "rm" -d 'Take names away; `gc` frees the space'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "history" -d 'Show how an image was built'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "config" -d 'Make an image with an edited configuration'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "append" -d 'Make an image with more layers'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "convert" -d 'Make an image whose layers are compressed in another way'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "import" -d 'Make an image of one layer'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "inspect" -d 'Show an image of the store, a registry, a layout or an archive'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "list-tags" -d 'List the tags of a repository'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "delete" -d 'Delete an image from a registry'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "referrers" -d 'List what refers to an image in a registry: signatures, attestations, SBOMs'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "logout" -d 'Log out of a registry'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "unpack" -d 'Make an OCI bundle of an image: configuration and root file system'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "repack" -d 'Make an image of what changed in a bundle\'s root file system'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "mount" -d 'Mount an image\'s root file system, its layers shared with every other mount'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "umount" -d 'Unmount what `mount` mounted'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "unmount" -d 'Unmount what `mount` mounted'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "snapshot" -d 'Prepare, list, mount and remove snapshots'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "commit" -d 'Make an image of the changes in a snapshot or a writable mount'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "export" -d 'Write a root file system as a tar'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "flatten" -d 'Make an image of one layer out of an image'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "diff" -d 'List the paths that differ between two images, or that a snapshot changed'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "gc" -d 'Remove blobs and unpacked layers that no image, snapshot, bundle or mount needs'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "fsck" -d 'Check the store: every blob, name and reference, and every unpacked layer against its blob'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "validate" -d 'Check an image or layout against the OCI image specification'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "df" -d 'Show how much space images, unpacked layers and snapshots take'
complete -c imgmgr -n "__fish_imgmgr_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l parallel -d 'Layers to fetch at the same time' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -s a -l all -l all-platforms -d 'Take every image of an index'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l unpack -d 'Unpack the layers while they come'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -s q -l quiet -d 'Print only what was pulled'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -s a -l all -l all-platforms -d 'Take every image of an index'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l referrers -d 'Take along what refers to an image, and cosign\'s tags: signatures, attestations, SBOMs; between registries and layouts [default: with `copy --all` and `sync`]' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l digestfile -d 'Write the digest of what was copied to this file' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -s a -l all -l all-platforms -d 'Take every image of an index'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l preserve-digests -d 'Fail where the copy would have another digest: docker\'s form of an image becomes OCI\'s in oci: and oci-archive:'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand copy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -s o -l output -d 'File to write, instead of standard output' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l format -d 'Form of the archive' -r -f -a "docker-archive\t'As `docker save`; every tool reads it'
oci-archive\t'An OCI layout in a tar file'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -s a -l all -l all-platforms -d 'Take every image of an index'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand save" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -s i -l input -d 'File to read, instead of standard input' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l name -d 'Name for an image that the archive doesn\'t name' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand load" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l to -d 'Registry or path in one that gets the repository; the store if absent' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l referrers -d 'Take along what refers to an image, and cosign\'s tags: signatures, attestations, SBOMs; between registries and layouts [default: with `copy --all` and `sync`]' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l delete -d 'Remove tags at the destination that the source has not'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -s a -l all -l all-platforms -d 'Take every image of an index'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -s q -l quiet -d 'Only names or digests, one a line'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l digests -d 'Full digests'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -s q -l quiet -d 'Only names or digests, one a line'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l digests -d 'Full digests'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand images" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand tag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand untag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l tag -d 'Name of the new image, instead of the old one\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.user -d 'User and group' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.workingdir -d 'Working directory' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.stopsignal -d 'Signal that asks it to stop' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.entrypoint -d 'Word of the entrypoint; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.cmd -d 'Word of the default arguments; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.env -d 'Environment variable; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.exposedports -d 'Port; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.volume -d 'Directory that gets a volume; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l config.label -d 'Label; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l manifest.annotation -d 'Annotation of the manifest; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l author -d 'Author' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l architecture -d 'Architecture, in Go\'s words' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l os -d 'Operating system, in Go\'s words' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l created -d 'Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l history.comment -d 'Remark in the history' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l clear -d 'Field to empty first, as in config.env; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l tag -d 'Name of the new image, instead of the old one\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l created -d 'Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand append" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l compress -d 'How its layers are to be compressed' -r -f -a "none\t'Not at all'
gzip\t'By gzip: for every client'
zstd\t'By zstd: smaller, and unpacked faster'
zstd:chunked\t'By zstd with a table of contents: clients that have a file already don\'t fetch it'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l tag -d 'Name of the new image, instead of the old one\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -s q -l quiet -d 'Show no progress'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand convert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l created -d 'Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -s c -l message -d 'Remark in the history' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l raw -d 'Print the manifest as it is stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l config -d 'Print the image configuration'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -s n -l no-tags -d 'Leave the repository\'s tags out'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand list-tags" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l tag-only -d 'Only the tag, where the registry can; the image stays under its digest'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l artifact-type -d 'Only of this type' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand referrers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -s u -l username -d 'User name' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -s p -l password -d 'Password; better given by --password-stdin' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l password-stdin -d 'Read the password from standard input'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -s a -l all -d 'Log out of every registry'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand logout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -s e -l env -d 'Environment variable to set, or without a value to remove; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -s u -l user -d 'User to run as, by name or number' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -s w -l workdir -d 'Working directory' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l hostname -d 'Host name' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l uid-map -d 'Map user ids of the image to others; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l gid-map -d 'Map group ids of the image to others; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -s t -l tty -d 'With a terminal'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l read-only -d 'With a root file system that can\'t be written'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l rootless -d 'Give all files to the calling user, as without being root'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unpack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l base -d 'Image to build on instead of the one that was unpacked' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l created-by -d 'What the history says' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l refresh -d 'Take the new image for the base of the next repack'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand repack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l writable -d 'Take changes, which go when it is unmounted unless `commit` made an image of them'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l sealed -d 'Read nothing that the disk has changed: each file must have the fs-verity digest that was noted once all layers had been compared with their blobs. Linux 6.12, root, a file system with fs-verity'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand umount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand unmount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "prepare" -d 'Make a writable snapshot of an image'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "list" -d 'List snapshots'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "ls" -d 'List snapshots'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "mount" -d 'Mount a snapshot'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "umount" -d 'Unmount a snapshot, which stays'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "unmount" -d 'Unmount a snapshot, which stays'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "rm" -d 'Remove snapshots with their changes'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and not __fish_seen_subcommand_from prepare list ls mount umount unmount rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l view -d 'Without changes: a read-only view'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l sealed -d 'A read-only view that shows nothing that the disk has changed, as `mount --sealed`'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from prepare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from mount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from umount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from unmount" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "prepare" -d 'Make a writable snapshot of an image'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "list" -d 'List snapshots'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "mount" -d 'Mount a snapshot'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "umount" -d 'Unmount a snapshot, which stays'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove snapshots with their changes'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand snapshot; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l created-by -d 'What the history says' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand commit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -s o -l output -d 'File to write, instead of standard output' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -s t -l tag -d 'Name of the new image, instead of the old one\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand flatten" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l format -d 'How to print: lines of A, C or D and a path as `docker diff`, or JSON' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l platform -d 'Choose the image for this platform instead of this machine\'s' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l keep-downloads -d 'Interrupted downloads go too, unless they are younger than this' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -s n -l dry-run -d 'Only say what would go'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l repair -d 'Fetch damaged blobs again, and unpack damaged layers again'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l blobs-only -d 'Leave unpacked layers out, which takes as long as unpacking them'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand fsck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l format -d 'How to print' -r -f -a "table\t'For people'
json\t'For programs'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l root -d 'Data directory; the image store is DIR/images [default: /var/lib/tug, or $XDG_DATA_HOME/tug for others than root]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l progress -d 'Progress on stderr: lines for people, JSON lines for programs, or none [default: a display on a terminal, else none]' -r -f -a "plain\t'For people'
json\t'For programs'
none\t'Not at all'"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l authfile -d 'Login file, as docker\'s config.json or podman\'s auth.json' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l registries-conf -d 'registries.conf to use' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l hosts-dir -d 'Directory with HOST/hosts.toml files, as containerd\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l cert-dir -d 'Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker\'s certs.d' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l insecure-registry -d 'Registry that may be spoken to without (verified) TLS; may be repeated' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l tls-verify -d '`false`: every registry that the command names may be spoken to without (verified) TLS' -r -f -a "true\t''
false\t''"
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l ca-file -d 'CA certificates (PEM) to trust besides the system\'s' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l client-cert -d 'Client certificate and key (PEM, in one file)' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l creds -d 'Credentials for every registry of this command, instead of stored ones' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l policy -d 'Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or /etc/containers/policy.json, where there is one; else any image may]' -r -F
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l attempts -d 'Attempts at a request that fails for a reason that may pass' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l stall-timeout -d 'Seconds without a byte after which a connection counts as cut' -r
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l no-sync -d 'Don\'t wait for the disk: a power cut may lose or damage what was just stored'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -l insecure-policy -d 'Any image may come in, whatever a policy says'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand df" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "pull" -d 'Pull an image from a registry into the store'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "push" -d 'Push an image of the store to a registry'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "copy" -d 'Copy an image between registries, the store, layouts and archives'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "save" -d 'Write images of the store to an archive'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "load" -d 'Read images from an archive into the store'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "sync" -d 'Copy all tags of repositories to another registry or to the store'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "list" -d 'List the images of the store'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "tag" -d 'Give an image another name'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "untag" -d 'Take names away; `gc` frees the space'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "history" -d 'Show how an image was built'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "config" -d 'Make an image with an edited configuration'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "append" -d 'Make an image with more layers'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "convert" -d 'Make an image whose layers are compressed in another way'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "import" -d 'Make an image of one layer'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "inspect" -d 'Show an image of the store, a registry, a layout or an archive'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "list-tags" -d 'List the tags of a repository'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "delete" -d 'Delete an image from a registry'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "referrers" -d 'List what refers to an image in a registry: signatures, attestations, SBOMs'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "login" -d 'Log in to a registry'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "logout" -d 'Log out of a registry'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "unpack" -d 'Make an OCI bundle of an image: configuration and root file system'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "repack" -d 'Make an image of what changed in a bundle\'s root file system'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "mount" -d 'Mount an image\'s root file system, its layers shared with every other mount'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "umount" -d 'Unmount what `mount` mounted'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "snapshot" -d 'Prepare, list, mount and remove snapshots'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "commit" -d 'Make an image of the changes in a snapshot or a writable mount'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "export" -d 'Write a root file system as a tar'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "flatten" -d 'Make an image of one layer out of an image'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "diff" -d 'List the paths that differ between two images, or that a snapshot changed'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "gc" -d 'Remove blobs and unpacked layers that no image, snapshot, bundle or mount needs'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "fsck" -d 'Check the store: every blob, name and reference, and every unpacked layer against its blob'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "validate" -d 'Check an image or layout against the OCI image specification'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "df" -d 'Show how much space images, unpacked layers and snapshots take'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and not __fish_seen_subcommand_from pull push copy save load sync list tag untag history config append convert import inspect list-tags delete referrers login logout unpack repack mount umount snapshot commit export flatten diff gc fsck validate df help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "prepare" -d 'Make a writable snapshot of an image'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "list" -d 'List snapshots'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "mount" -d 'Mount a snapshot'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "umount" -d 'Unmount a snapshot, which stays'
complete -c imgmgr -n "__fish_imgmgr_using_subcommand help; and __fish_seen_subcommand_from snapshot" -f -a "rm" -d 'Remove snapshots with their changes'
