//! Sealed clips, opened by age itself: the program of another author.

#![expect(clippy::unwrap_used, reason = "what a suite cannot have ends it")]

#[expect(dead_code, reason = "shared with suites that use more of it")]
mod clip;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use gatehouse_camera::clip::disk::Medium;
use gatehouse_camera::clip::{
    ClipFile, ClipId, ClipLimits, ClipTold, Recorder, Recovered, Trigger, half_written, recover,
};
use gatehouse_camera::frame::{Codec, Frame};
use gatehouse_camera::picture::Mask;
use gatehouse_camera::ring::{Ring, RingLimits};
use gatehouse_camera::seal::{generate, recipient, seal};
use gatehouse_core::sealed::{Identity, Recipient};
use ring::digest::{SHA256, digest};

/// Bytes before the first chunk: the header for one recipient, and the salt.
const HEADER: usize = 184;

/// Seconds of a picture that does not compress, at 10 a second.
fn film() -> Vec<Frame> {
    let path = clip::folder().join("sealed.h264");
    if !path.exists() {
        clip::ffmpeg(&[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=10:duration=12,noise=alls=20:allf=t",
            "-c:v",
            "libx264",
            "-g",
            "20",
            "-bf",
            "0",
            "-x264-params",
            "scenecut=0:slices=1",
            "-f",
            "h264",
            path.to_str().unwrap(),
        ]);
    }
    clip::frames(&path, Codec::H264, (640, 360), 10)
}

fn recorder(folder: &Path, recipients: Vec<Recipient>) -> Recorder<Medium> {
    let ring = Ring::new(RingLimits::default());
    let unmasked = Mask::none().unmasked().unwrap();
    let limits = ClipLimits {
        before: Duration::from_secs(2),
        after: Duration::from_secs(8),
        ..ClipLimits::default()
    };
    Recorder::new(Medium { recipients }, folder.to_owned(), limits, ring, unmasked)
}

/// Whether anything in the folder shows a piece of the film, or is a clip at all.
fn lies_open(folder: &Path, film: &[Frame]) -> bool {
    let pieces = [32, 45, 58].map(|number: usize| {
        let data = &film[number].data;
        data[data.len() / 2..][..24].to_vec()
    });
    let marks = [b"moof".to_vec(), b"moov".to_vec()];
    let all: Vec<_> = pieces.into_iter().chain(marks).collect();
    let mut files = std::fs::read_dir(folder).unwrap();
    files.any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        // By the first byte before the rest: a minute otherwise, unoptimised.
        bytes.iter().enumerate().any(|(at, first)| {
            all.iter().any(|piece| piece[0] == *first && bytes[at..].starts_with(piece))
        })
    })
}

/// `age -d` with this key.
fn age(identity: &Identity, file: &Path) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{}\n", *identity.to_text())).unwrap();
    let mut command = Command::new("age");
    command.arg("-d").arg("-i").arg(key).arg(file);
    command.output().expect("age is there: tests/run setup")
}

/// The clip of a film with an alarm after three seconds, and the frames that were fed when it ended.
fn whole(folder: &Path, recipients: Vec<Recipient>, film: &[Frame]) -> ClipFile {
    let mut recorder = recorder(folder, recipients);
    let mut told = None;
    for (number, frame) in film.iter().enumerate() {
        told = told.or(recorder.frame(frame.clone()));
        assert!(number % 40 != 0 || !lies_open(folder, film), "at frame {number}");
        if number == 30 {
            let id = ClipId::new("a").unwrap();
            assert!(recorder.trigger(&Trigger { id, at: frame.received }).is_empty());
        }
    }
    match told.or_else(|| recorder.end()) {
        Some(ClipTold::Done { mut files, .. }) => files.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn age_opens_a_sealed_clip_for_each_of_its_recipients_and_the_hashes_are_what_they_say() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let (district, own) = (generate().unwrap(), generate().unwrap());
    let recipients = vec![recipient(&district), recipient(&own)];
    let file = whole(folder.path(), recipients, &film);
    assert_eq!(file.path, folder.path().join("a.mp4.age"));
    let lies = std::fs::read(&file.path).unwrap();
    let sealed = file.sealed.unwrap();
    assert_eq!(
        (digest(&SHA256, &lies).as_ref(), lies.len() as u64),
        (&sealed.sha256[..], sealed.bytes)
    );
    for identity in [&district, &own] {
        let opened = age(identity, &file.path);
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        let content = file.content.unwrap();
        assert_eq!(digest(&SHA256, &opened.stdout).as_ref(), content.sha256);
        assert_eq!(opened.stdout.len() as u64, content.bytes);
    }
    let other = age(&generate().unwrap(), &file.path);
    assert!(!other.status.success() && other.stdout.is_empty());
    // The same film without recipients is found by the same search.
    let open = tempfile::tempdir().unwrap();
    let mut recorder = recorder(open.path(), Vec::new());
    for (number, frame) in film.iter().enumerate().take(60) {
        recorder.frame(frame.clone());
        if number == 30 {
            recorder.trigger(&Trigger { id: ClipId::new("a").unwrap(), at: frame.received });
        }
    }
    assert!(lies_open(open.path(), &film));
}

#[test]
fn what_a_power_cut_leaves_of_a_sealed_clip_is_opened_by_age_and_nothing_lies_open() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let district = generate().unwrap();
    let mut recorder = recorder(folder.path(), vec![recipient(&district)]);
    for (number, frame) in film.iter().enumerate().take(90) {
        assert!(recorder.frame(frame.clone()).is_none());
        if number == 30 {
            recorder.trigger(&Trigger { id: ClipId::new("a").unwrap(), at: frame.received });
        }
    }
    let partial = folder.path().join("a.mp4.age.partial");
    let written = std::fs::read(&partial).unwrap();
    assert!(written.len() > 300_000, "{} bytes", written.len());
    drop(recorder);
    for (number, cut) in
        [written.len(), written.len() - 1, written.len() * 2 / 3].iter().enumerate()
    {
        let after = tempfile::tempdir().unwrap();
        let name = format!("cut{number}.mp4.age.partial");
        std::fs::write(after.path().join(&name), &written[..*cut]).unwrap();
        assert_eq!(half_written(after.path()).unwrap(), [after.path().join(&name)]);
        // The box has no key: what is in it nobody knows there.
        let told = recover(&after.path().join(&name), None);
        let Recovered::Kept { file, lasts: None } = told else { panic!("{told:?}") };
        let lies = std::fs::read(&file.path).unwrap();
        assert_eq!(digest(&SHA256, &lies).as_ref(), file.sealed.unwrap().sha256);
        assert_eq!((file.content, file.frames), (None, None));
        assert!(cut - lies.len() < 70_000, "at most a chunk is lost");
        assert!(!lies_open(after.path(), &film));
        // age gives all that is whole, and says that the end is missing.
        let opened = age(&district, &file.path);
        assert!(!opened.status.success());
        let chunks = (lies.len() - HEADER) / (65_536 + 16);
        assert_eq!(opened.stdout.len(), chunks * 65_536);
        assert_eq!(&opened.stdout[4..8], b"ftyp");
        // With the key the box knows what it has.
        let (seen, lasts) = gatehouse_camera::clip::whole(&file.path, Some(&district)).unwrap();
        assert_eq!(digest(&SHA256, &opened.stdout).as_ref(), seen.content.unwrap().sha256);
        assert!(seen.frames.unwrap() >= 20 && lasts.unwrap() > Duration::from_secs(2), "{seen:?}");
    }
}

#[test]
fn what_age_sealed_is_opened_here_and_a_picture_too() {
    let folder = tempfile::tempdir().unwrap();
    let own = generate().unwrap();
    let (plain, sealed) = (folder.path().join("plain"), folder.path().join("sealed"));
    let content: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251).to_le_bytes()[0]).collect();
    std::fs::write(&plain, &content).unwrap();
    // Whoever else it is for comes first, so that ours is not the first stanza.
    let other = recipient(&generate().unwrap()).to_string();
    let status = Command::new("age")
        .args(["-r", &other, "-r", &recipient(&own).to_string(), "-o"])
        .args([&sealed, &plain])
        .status()
        .expect("age is there: tests/run setup");
    assert!(status.success());
    let file = std::fs::File::open(&sealed).unwrap();
    let mut opened = gatehouse_camera::seal::Opened::new(file, &own).unwrap();
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut opened, &mut found).unwrap();
    assert!(found == content && !opened.cut_off());
    let (bytes, _) = seal(&content[..50_000], &[recipient(&own)]).unwrap();
    std::fs::write(&sealed, bytes).unwrap();
    assert_eq!(age(&own, &sealed).stdout, content[..50_000]);
}
