//! Which system calls this process may make: a seccomp filter.
//!
//! It is a list of what no gateway needs, not of what one needs: a list of the needed breaks with another libc,
//! another kernel or another tokio, at a site where nobody can mend it; the unit's `@system-service` is that
//! list, kept by systemd. What is refused gets `EPERM`, as from a kernel that does not want: whatever asks, be
//! it a library that only tries, goes on, and the alarm core with it. A call of another architecture ends the
//! process: nothing of ours makes one.
//!
//! The program is our own few instructions and seccompiler's only for handing it to the kernel: its compiler
//! does not know 32-bit ARM.

use std::ffi::c_long;

use seccompiler::sock_filter;

use super::Held;

/// What no gateway needs, on every architecture.
const NEVER: &[c_long] = &[
    // Looking into other processes, or being one.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_perf_event_open,
    // Other programs: it starts none.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Another view of the system.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mknodat,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // The kernel itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_lookup_dcookie,
    libc::SYS_personality,
    libc::SYS_syslog,
    // Its keys.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // The machine: another daemon sets its clock.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Another user, or more rights.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// What newer architectures do not have any more.
#[cfg(any(target_arch = "x86_64", target_arch = "arm"))]
const OLD: &[c_long] =
    &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_mknod, libc::SYS_uselib, libc::SYS__sysctl];
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const OLD: &[c_long] = &[];

#[cfg(target_arch = "x86_64")]
const AND_NEVER: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];

#[cfg(target_arch = "arm")]
const AND_NEVER: &[c_long] = &[
    libc::SYS_setuid32,
    libc::SYS_setgid32,
    libc::SYS_setreuid32,
    libc::SYS_setregid32,
    libc::SYS_setresuid32,
    libc::SYS_setresgid32,
    libc::SYS_setfsuid32,
    libc::SYS_setfsgid32,
    libc::SYS_setgroups32,
    // clock_settime64 and clock_adjtime64, which libc does not name: arch/arm/tools/syscall.tbl.
    404,
    405,
];

#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const AND_NEVER: &[c_long] = &[];

/// All of it.
fn never() -> impl Iterator<Item = &'static c_long> {
    NEVER.iter().chain(OLD).chain(AND_NEVER)
}

/// `AUDIT_ARCH_…` of include/uapi/linux/audit.h: what the kernel calls the architecture of a call.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xC000_00B7);
#[cfg(target_arch = "arm")]
const ARCHITECTURE: Option<u32> = Some(0x4000_0028);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
const ARCHITECTURE: Option<u32> = None;

/// Calls of x86_64's second numbering begin here (`__X32_SYSCALL_BIT`); no other architecture has so many.
const X32: u32 = 0x4000_0000;

/// `CLONE_NEWNS` to `CLONE_NEWNET` of include/uapi/linux/sched.h.
const NAMESPACES: u32 = 0x7E02_0000;
/// A thread of this process, and no new one.
const CLONE_THREAD: u32 = 0x0001_0000;

/// Offsets in `struct seccomp_data`: the call's number, its architecture, the lower half of its first argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST: u32 = 16;

/// Instructions of classic BPF (include/uapi/linux/bpf_common.h): load a word, compare, answer.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const ANSWER: u16 = 0x06;

/// Answers of include/uapi/linux/seccomp.h.
const ALLOW: u32 = 0x7FFF_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

/// Takes the calls of [`NEVER`] from this thread, and from all that it will start.
pub(super) fn restrict() -> Held {
    let Some(architecture) = ARCHITECTURE else {
        return Held::Not("no list of calls for this kind of processor".to_owned());
    };
    match seccompiler::apply_filter(&program(architecture)) {
        Ok(()) => Held::Whole,
        Err(error) => Held::Not(format!("the kernel takes no filter: {error}")),
    }
}

fn program(architecture: u32) -> Vec<sock_filter> {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let answer = |with| step(ANSWER, 0, 0, with);
    let refuse = |errno: i32| answer(ERRNO | errno.unsigned_abs());
    let number = |call: c_long| u32::try_from(call).expect("calls have small numbers");
    let mut program = vec![
        step(LOAD, 0, 0, ARCH),
        step(EQUAL, 1, 0, architecture),
        answer(KILL_PROCESS),
        step(LOAD, 0, 0, NUMBER),
        step(AT_LEAST, 0, 1, X32),
        refuse(libc::ENOSYS),
        // Threads, and neither processes nor namespaces.
        step(EQUAL, 0, 5, number(libc::SYS_clone)),
        step(LOAD, 0, 0, FIRST),
        step(ANY_BIT, 1, 0, NAMESPACES),
        step(ANY_BIT, 1, 0, CLONE_THREAD),
        refuse(libc::EPERM),
        answer(ALLOW),
        // Its flags are in memory, where no filter looks; libc falls back to clone if there is none.
        step(EQUAL, 0, 1, number(libc::SYS_clone3)),
        refuse(libc::ENOSYS),
    ];
    for call in never() {
        program.push(step(EQUAL, 0, 1, number(*call)));
        program.push(refuse(libc::EPERM));
    }
    program.push(answer(ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What the kernel would answer: the program, carried out.
    fn answer(program: &[sock_filter], architecture: u32, call: c_long, first: u32) -> u32 {
        let (mut at, mut word) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            let jump = |is: bool| usize::from(if is { step.jt } else { step.jf });
            match step.code {
                LOAD => {
                    word = match step.k {
                        NUMBER => u32::try_from(call).unwrap(),
                        ARCH => architecture,
                        FIRST => first,
                        other => panic!("nothing is at {other}"),
                    }
                }
                EQUAL => at += jump(word == step.k),
                AT_LEAST => at += jump(word >= step.k),
                ANY_BIT => at += jump(word & step.k != 0),
                ANSWER => return step.k,
                other => panic!("no instruction: {other}"),
            }
        }
    }

    #[test]
    fn the_filter_refuses_what_is_on_the_list_and_nothing_that_a_gateway_does() {
        let here = ARCHITECTURE.expect("an architecture of ours");
        let program = program(here);
        assert!(program.len() < 4096, "the kernel's most");
        let of = |call, first| answer(&program, here, call, first);
        let eperm = ERRNO | libc::EPERM.unsigned_abs();
        for call in never() {
            assert_eq!(of(*call, 0), eperm, "call {call}");
        }
        for call in [
            libc::SYS_read,
            libc::SYS_openat,
            libc::SYS_ioctl,
            libc::SYS_connect,
            libc::SYS_futex,
            libc::SYS_setpriority,
            libc::SYS_fsync,
            libc::SYS_getrandom,
            libc::SYS_clock_gettime,
            libc::SYS_exit_group,
        ] {
            assert_eq!(of(call, 0), ALLOW, "call {call}");
        }
        // As libc starts a thread, then a process, and a process with a network of its own.
        let thread = 0x003D_0F00;
        assert_eq!(of(libc::SYS_clone, thread), ALLOW);
        assert_eq!(of(libc::SYS_clone, thread | 0x4000_0000), eperm);
        assert_eq!(of(libc::SYS_clone, 0x0120_0011), eperm);
        assert_eq!(of(libc::SYS_clone3, 0), ERRNO | libc::ENOSYS.unsigned_abs());
        let x32 = libc::SYS_ptrace | 0x4000_0000;
        assert_eq!(of(x32, 0), ERRNO | libc::ENOSYS.unsigned_abs());
        assert_eq!(answer(&program, here ^ 1, libc::SYS_read, 0), KILL_PROCESS);
    }

    #[test]
    fn a_thread_under_the_filter_starts_threads_and_opens_files_but_no_program() {
        let tried = || {
            // An emulator of processors has no filters: then the daemon says so.
            if restrict() != Held::Whole {
                return;
            }
            let error = Command::new("/usr/bin/true").status().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
            assert!(std::fs::read("/proc/self/stat").is_ok());
            let within = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/status"));
            let status = within.join().unwrap().unwrap();
            assert!(status.contains("\nSeccomp:\t2\n") && status.contains("\nNoNewPrivs:\t1\n"));
            let denied = rustix::process::chroot("/").unwrap_err();
            assert_eq!(denied, rustix::io::Errno::PERM);
        };
        std::thread::spawn(tried).join().unwrap();
    }
}
