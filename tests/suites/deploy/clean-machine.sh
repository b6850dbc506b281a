#!/usr/bin/env bash
# clean-machine.sh PACKAGE: installs, upgrades and purges the package on a copy of this machine.
#
# The copy is an overlay in a mount namespace of its own: what the package writes goes to memory,
# and what is left there after the purge and was not there before is what it forgot.
set -euo pipefail
package=$(realpath "$1")
[ "$(id -u)" = 0 ] || { echo "only root can mount an overlay"; exit 1; }
if [ "${INSIDE:-}" != 1 ]; then
    INSIDE=1 exec unshare --mount "$0" "$package"
fi

top=$(mktemp -d)
mount -t tmpfs tmpfs "$top"
mkdir "$top"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount --rbind /proc "$top/root/proc"
mount --rbind /dev "$top/root/dev"
cp "$package" "$top/root/package.deb"

inside() { chroot "$top/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
must() { "$@" || { echo "FAILED: $*"; exit 1; }; }
is() { [ "$1" = "$2" ] || { echo "FAILED: is $1, must be $2"; exit 1; }; }

# Whatever this machine has of ours already is not part of a clean one.
inside dpkg --purge gatehouse >/dev/null 2>&1 || true
before=$(inside sort /etc/passwd /etc/group)

echo "== install"
inside dpkg --install /package.deb
is "$(inside stat -c '%U:%G %a' /etc/gatehouse/gateway.toml)" "root:gatehouse 640"
is "$(inside stat -c '%U:%G %a' /etc/gatehouse)" "root:gatehouse 770"
is "$(inside stat -c '%U:%G %a' /var/lib/gatehouse)" "gatehouse:gatehouse 700"
must inside id --name --groups gatehouse | grep -qw gpio
must inside test -L /etc/systemd/system/multi-user.target.wants/gatehouse.service
# Now the binary and the manual are where the unit says they are.
is "$(inside systemd-analyze verify gatehouse.service 2>&1)" ""
is "$(inside man --where gatehouse.8)" /usr/share/man/man8/gatehouse.8.gz
is "$(inside man --where gateway.toml.5)" /usr/share/man/man5/gateway.toml.5.gz
must inside runuser -u gatehouse -- gatehouse check
must inside bash -c '. /usr/share/bash-completion/completions/gatehouse && complete -p gatehouse' >/dev/null
for example in $(inside sh -c 'echo /usr/share/doc/gatehouse/examples/*.toml'); do
    # The list of credentials is checked with the file that names it.
    [ "${example##*/}" = credentials.toml ] && continue
    must inside gatehouse check --config "$example"
done

echo "== what is wrong is refused, as the unit's ExecStartPre would"
inside sh -c 'echo "[gateway]" >/tmp/bad.toml'
status=0
inside gatehouse check --config /tmp/bad.toml >/dev/null 2>&1 || status=$?
is "$status" 78
inside rm /tmp/bad.toml

echo "== an upgrade keeps the edited configuration and the journal"
inside sh -c 'echo "# edited" >>/etc/gatehouse/gateway.toml; echo kept >/var/lib/gatehouse/witness'
inside dpkg --install /package.deb
is "$(inside tail -n 1 /etc/gatehouse/gateway.toml)" "# edited"
is "$(inside cat /var/lib/gatehouse/witness)" kept
is "$(inside stat -c '%U:%G %a' /etc/gatehouse/gateway.toml)" "root:gatehouse 640"

echo "== a removal keeps both as well"
inside dpkg --remove gatehouse
is "$(inside tail -n 1 /etc/gatehouse/gateway.toml)" "# edited"
is "$(inside cat /var/lib/gatehouse/witness)" kept
must inside test ! -e /usr/bin/gatehouse

echo "== a purge leaves nothing"
inside dpkg --purge gatehouse
rm "$top/root/package.deb"
is "$(inside sort /etc/passwd /etc/group)" "$before"
left=
while IFS= read -r path; do
    # Deleted things show as character devices; what the machine had before is not ours.
    if [ ! -c "$top/upper/$path" ] && [ ! -e "/$path" ] && [ ! -L "/$path" ]; then
        case $path in
            # The notes of dpkg and of the user database.
            var/lib/dpkg/* | var/log/* | var/cache/man/* | etc/*- | etc/.pwd.lock) ;;
            *) left+=" /$path" ;;
        esac
    fi
done < <(cd "$top/upper" && find . -mindepth 1 -printf '%P\n')
is "$left" ""
echo "== clean"
