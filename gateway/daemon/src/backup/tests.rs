use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use gatehouse_camera::seal::{generate, recipient, seal};
use gatehouse_core::archive;
use gatehouse_core::sealed::Identity;

use super::*;

const SECRET: &str = "correct-horse-battery";

const SITE_KEY: &str = "the key by which cards are known\n";

/// A box with a password, cards, an account, and an authority that lies elsewhere.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let text = format!(
        "# Ours.\n[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\nstate-dir = \"{at}/state\"\n\
         socket = \"{at}/s.sock\"\n[[door]]\nid = \"a\"\ninput = \"gpiochip0:1\"\n[[broker]]\nid = \"b\"\n\
         host = \"h\"\nusername = \"u\"\npassword-file = \"{at}/secrets/b\"\n[broker.tls]\n\
         ca = \"/nowhere/ca.pem\"\n"
    );
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("gateway.toml", &text, 0o640);
    write("secrets/b", SECRET, 0o600);
    write("credentials.toml", "# Cards.\n", 0o640);
    write("state/page/accounts.toml", "# People.\n", 0o600);
    write("state/site.key", SITE_KEY, 0o600);
    folder
}

fn backup(folder: &Path, key: &Identity) -> Vec<u8> {
    make(&folder.join("gateway.toml")).unwrap().sealed(&[recipient(key)]).unwrap()
}

fn refused(sealed: &[u8], key: &Identity, folder: &Path) -> String {
    Restore::open(sealed, key, &folder.join("gateway.toml")).err().unwrap().to_string()
}

#[test]
fn what_was_lost_is_back_with_its_rights_and_what_stood_there_is_beside_it() {
    let (folder, key) = (folder(), generate().unwrap());
    let path = |name: &str| folder.path().join(name);
    let made = make(&path("gateway.toml")).unwrap();
    assert_eq!(made.manifest.left_out.len(), 1, "{:?}", made.manifest.left_out);
    assert!(made.manifest.left_out[0].starts_with("/nowhere/ca.pem, ca of broker b: "));
    let sealed = made.sealed(&[recipient(&key)]).unwrap();
    assert!(!sealed.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()));
    let config = std::fs::read_to_string(path("gateway.toml")).unwrap();

    std::fs::remove_dir_all(path("state")).unwrap();
    std::fs::remove_dir_all(path("secrets")).unwrap();
    std::fs::write(path("gateway.toml"), "nonsense").unwrap();
    let restore = Restore::open(&sealed, &key, &path("gateway.toml")).unwrap();
    let places: Vec<_> = restore.places().unwrap().into_iter().map(|place| place.placed).collect();
    // The configuration, the cards, the password, the key by which cards are known, the account.
    let lost = Placed::New;
    assert_eq!(places, [Placed::Differs, Placed::Same, lost, lost, lost]);
    restore.put().unwrap();
    assert_eq!(std::fs::read_to_string(path("gateway.toml")).unwrap(), config);
    assert_eq!(std::fs::read_to_string(path("gateway.toml.before-restore")).unwrap(), "nonsense");
    assert_eq!(std::fs::read_to_string(path("secrets/b")).unwrap(), SECRET);
    assert_eq!(std::fs::read_to_string(path("state/site.key")).unwrap(), SITE_KEY);
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("gateway.toml"), mode("secrets/b")), (0o640, 0o600));
    assert_eq!(mode("state/page/accounts.toml"), 0o600);
    let again = restore.places().unwrap();
    assert!(again.iter().all(|place| place.placed == Placed::Same), "{again:?}");
}

#[test]
fn another_key_a_changed_byte_and_a_missing_end_open_nothing() {
    let (folder, key) = (folder(), generate().unwrap());
    let sealed = backup(folder.path(), &key);
    assert!(refused(&sealed, &generate().unwrap(), folder.path()).contains("sealed for others"));
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut other = sealed.clone();
        other[at] ^= 1;
        let why = refused(&other, &key, folder.path());
        assert!(why.starts_with("the backup does not open: "), "byte {at}: {why}");
    }
    for length in [0, 100, sealed.len() - 1] {
        let why = refused(&sealed[..length], &key, folder.path());
        assert!(why.starts_with("the backup does not open: "), "{length} bytes: {why}");
    }
}

/// Somebody's backup, who knows the public key, with another manifest or another file.
fn forged(folder: &Path, key: &Identity, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let made = make(&folder.join("gateway.toml")).unwrap();
    let mut manifest = serde_json::to_value(&made.manifest).unwrap();
    change(&mut manifest);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let names: Vec<_> = (0..made.contents.len()).map(|number| number.to_string()).collect();
    let mut all = vec![(MANIFEST, manifest.as_slice())];
    all.extend(names.iter().map(String::as_str).zip(made.contents.iter().map(|c| c.as_slice())));
    seal(&archive::write(&all, MODE), &[recipient(key)]).unwrap().0
}

#[test]
fn nothing_is_put_anywhere_else_whoever_sealed_it() {
    let (folder, key) = (folder(), generate().unwrap());
    for path in ["/etc/shadow", "../x", "secrets/../../x", "/"] {
        let path = folder.path().join(path);
        let sealed = forged(folder.path(), &key, |manifest| {
            manifest["files"][2]["path"] = path.to_str().into();
        });
        let why = refused(&sealed, &key, folder.path());
        assert!(why.contains("neither below"), "{}: {why}", path.display());
    }
    let sealed = forged(folder.path(), &key, |manifest| manifest["form"] = 2.into());
    assert!(refused(&sealed, &key, folder.path()).contains("this version reads form 1"));
    let sealed = forged(folder.path(), &key, |manifest| {
        manifest["files"][2]["sha256"] = "00".into();
    });
    assert!(refused(&sealed, &key, folder.path()).contains("not what its manifest says"));
    let other = tempfile::tempdir().unwrap();
    let sealed = backup(folder.path(), &key);
    assert!(refused(&sealed, &key, other.path()).contains("say --config"));
}

#[test]
fn a_configuration_that_could_not_hold_is_not_put_back() {
    let (folder, key) = (folder(), generate().unwrap());
    let text = "[gateway]\nid = \"X Y\"\n";
    let path = folder.path().join("gateway.toml");
    let sealed = {
        let made = make(&path).unwrap();
        let mut manifest = made.manifest.clone();
        manifest.files.truncate(1);
        manifest.files[0].sha256 = sha256(text.as_bytes());
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let all = [(MANIFEST, manifest.as_slice()), ("0", text.as_bytes())];
        seal(&archive::write(&all, MODE), &[recipient(&key)]).unwrap().0
    };
    assert!(refused(&sealed, &key, folder.path()).contains("X Y"));
}

#[test]
fn tar_itself_unpacks_what_the_archive_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let long = vec![b'x'; 1025];
    let members: [archive::Member<'_>; 3] =
        [("MANIFEST", b"one\n"), ("empty", b""), ("long.txt", &long)];
    std::fs::write(&path, archive::write(&members, MODE)).unwrap();
    let mut unpack = Command::new("tar");
    let output = unpack.arg("-C").arg(folder.path()).arg("-xvf").arg(&path).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "MANIFEST\nempty\nlong.txt\n");
    for (name, bytes) in members {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), bytes, "{name}");
    }
}
