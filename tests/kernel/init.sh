#!/bin/sh
# The first process of the simulated box. It turns a bare kernel into a machine, and then hands over
# to the agent, which takes orders from the test over the second console.
#
# From the kernel's command line, as environment:
#   BOX_DIR    folder of this run on the host; the one place the guest may write to on the host
#   BOX_AGENT  the program `gatehouse-box`
# The root is the host's file tree, read-only: a box that runs wild cannot touch it.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run

fail() {
    echo "init: $*"
    echo o >/proc/sysrq-trigger
    sleep 60
}

# `mount` is set-uid root on the host. In a user namespace the host's root is nobody, and `mount`
# would become nobody, too: a copy has no such bit. /dev is the one place to write to so far.
cp /bin/mount /bin/umount /dev/ || exit 1 # the first process must not end: the kernel stops at once
/dev/mount -t proc proc /proc || exit 1
/dev/mount -t sysfs sysfs /sys || fail 'no sysfs'
/dev/mount -t configfs configfs /sys/kernel/config || fail 'no configfs'
/dev/mount -t tmpfs tmpfs /run || fail 'no tmpfs'

# What is written here is on the host at once (hostfs writes through), and so outlives a power cut.
/dev/mount -t hostfs -o "$BOX_DIR" hostfs "$BOX_DIR" || fail "cannot mount $BOX_DIR of the host"

# The flash. Mounting replays ext4's own journal after a power cut, as on a real box.
mkdir /run/flash
/dev/mount -t ext4 -o noatime /dev/ubda /run/flash || fail 'cannot mount the flash, /dev/ubda'

ip link set lo up || fail 'no loopback'
# The cable to the district: the other end is the tap device of the test's network namespace.
if [ -e /sys/class/net/vec0 ]; then
    ip addr add 10.77.0.2/24 dev vec0 && ip link set vec0 up || fail 'no cable'
fi

exec "$BOX_AGENT" agent </dev/tty1 >/dev/tty1
