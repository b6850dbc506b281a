//! A process that is killed while it writes, again and again.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use gatehouse_core::event::{Class, chain_hash, hex};
use gatehouse_core::id::Seq;
use gatehouse_journal::{Journal, Options, verify};

use crate::common::{TestClock, all, door, draft, open, options};

const DIR: &str = "JOURNAL_OF_THE_PROCESS_TO_KILL";

/// Kills per run: enough that commits, checkpoints and mark files are all hit.
const ROUNDS: u64 = 30;

/// The process to kill: writes for ever, and says what it was told to be stored.
#[test]
#[ignore = "is started by the test below, which kills it"]
fn writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let small =
        Options { checkpoint_bytes: 32 << 10, ..options(dir.as_ref(), &TestClock::default()) };
    let (journal, _) = Journal::open(small).unwrap();
    let out = Mutex::new(std::io::stdout());
    for n in 0.. {
        let class = if n % 11 == 0 { Class::Alarm } else { Class::Door };
        // Waiting for each: the parent reads what was answered, and the pipe must not run ahead.
        let drafts = (0..=n % 17).map(|_| draft(class, "x.y", "z1")).collect();
        let stored = journal.append_and_wait(drafts).unwrap();
        let mut out = out.lock().unwrap();
        for record in stored {
            let line = format!("stored {} {}\n", record.seq, hex(&chain_hash(&record.payload)));
            out.write_all(line.as_bytes()).unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn what_was_answered_before_a_sigkill_is_there_afterwards_with_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut answered: Vec<(u64, String)> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Another moment in each round: after so many answers.
        let mut left = 20 + round * 37 % 400;
        let mut take = |line: std::io::Result<String>| {
            let line = line.unwrap();
            // The harness of tests writes to the same pipe.
            let Some((_, answer)) = line.split_once("stored ") else { return false };
            // The last line may be cut off.
            let Some((seq, hash)) = answer.split_once(' ').filter(|(_, h)| h.len() == 64) else {
                return false;
            };
            answered.push((seq.parse().unwrap(), hash.to_owned()));
            true
        };
        while left > 0 {
            let line = lines.next().expect("the process writes until it is killed");
            left -= u64::from(take(line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            take(line);
        }
    }
    let (journal, opened) = open(dir.path());
    assert_eq!((opened.session, &opened.quarantined), (ROUNDS + 1, &None));
    let stored = all(&journal);
    assert!(opened.head.0 >= answered.last().unwrap().0);
    assert!(stored.iter().map(|record| record.seq.0).eq(1..=opened.head.0), "a hole");
    assert!(answered.windows(2).all(|pair| pair[0].0 < pair[1].0), "a number was answered twice");
    for (seq, hash) in &answered {
        let record = &stored[usize::try_from(*seq).unwrap() - 1];
        assert_eq!(*hash, hex(&chain_hash(&record.payload)), "event {seq} is another one now");
    }
    journal.append_and_wait(vec![door()]).unwrap();
    journal.close();
    let found = verify(dir.path(), Seq(1)).unwrap();
    assert_eq!((found.linked, found.broken), (opened.head.0 + 1, None));
}
