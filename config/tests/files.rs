//! Configuration files on disk, and the files that they name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gatehouse_config::{Config, MAX_BYTES};

const GATEWAY: &str = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n";

/// A configuration with one broker on this machine, whose table ends with these lines.
fn with_broker(lines: &str) -> String {
    format!(
        "{GATEWAY}[[door]]\nid = \"a\"\ninput = \"gpiochip0:1\"\n\
         [[broker]]\nid = \"b\"\nhost = \"localhost\"\n{lines}"
    )
}

fn put(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) {
    fs::write(path, bytes).expect("a folder of this test's own");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its own file");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_never_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Config::load(folder.path().join("no.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("error: the configuration cannot be read: No such file"));
    assert!(missing.contains("no.toml"), "{missing}");
    assert!(missing.contains("hint: "), "{missing}");
    assert!(Config::load(folder.path()).is_err(), "a folder is no configuration");
    let endless = Config::load("/dev/zero").unwrap_err().to_string();
    assert!(endless.contains(&format!("larger than {MAX_BYTES} bytes")), "{endless}");
}

#[test]
fn a_file_in_another_encoding_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gb.toml");
    // 门 in GB 18030.
    put(&path, [with_broker("").as_bytes(), b"# \xc3\xc5\n"].concat(), 0o644);
    let told = Config::load(&path).unwrap_err().to_string();
    let at = with_broker("").len() + 2;
    assert!(told.contains(&format!("not UTF-8: byte {at} (in line 11) is 0xc3")), "{told}");
}

#[test]
fn a_file_from_an_editor_that_marks_utf_8_or_ends_lines_its_own_way_is_read() {
    let text = with_broker("port = 0\n").replace('\n', "\r\n");
    let told = Config::parse(&format!("\u{feff}{text}"), "crlf.toml").unwrap_err();
    assert_eq!(told.len(), 1, "{told}");
    assert!(told.to_string().contains("crlf.toml:11:8"), "{told}");
}

#[test]
fn a_secret_that_others_can_read_is_a_warning_and_one_they_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (config, secret) = (folder.path().join("g.toml"), folder.path().join("mqtt.password"));
    let lines = format!("username = \"g\"\npassword-file = {secret:?}\n");
    put(&config, with_broker(&lines), 0o644);

    let absent = Config::load(&config).unwrap();
    assert!(absent.warnings().to_string().contains("No such file"), "{}", absent.warnings());

    put(&secret, "x", 0o600);
    assert!(Config::load(&config).unwrap().warnings().is_empty());

    put(&secret, "x", 0o644);
    let readable = Config::load(&config).unwrap();
    let lines: Vec<_> = readable.warnings().lines().collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("g.toml:12: `password-file` names"), "{}", lines[0]);
    assert!(lines[0].contains("everyone on this machine can read (mode 644); hint: chmod 600"));

    put(&secret, "x", 0o602);
    let writable = Config::load(&config).unwrap_err();
    assert_eq!(writable.len(), 1);
    assert!(writable.to_string().contains("everyone on this machine can write (mode 602)"));
}

#[test]
fn a_certificate_that_others_can_write_is_refused_with_the_other_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let (config, ca) = (folder.path().join("g.toml"), folder.path().join("ca.pem"));
    put(&ca, "x", 0o666);
    put(&config, with_broker(&format!("port = 0\n[broker.tls]\nca = {ca:?}\n")), 0o644);
    let told = Config::load(&config).unwrap_err();
    assert_eq!(told.len(), 2, "{told}");
    put(&ca, "x", 0o644);
    put(&config, with_broker(&format!("[broker.tls]\nca = {:?}\n", folder.path())), 0o644);
    let told = Config::load(&config).unwrap_err().to_string();
    assert!(told.contains("not a regular file"), "{told}");
}

#[test]
fn a_configuration_that_others_can_change_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("g.toml");
    put(&config, with_broker(""), 0o646);
    let warnings = Config::load(&config).unwrap().warnings().to_string();
    assert!(warnings.contains("everyone on this machine can change"), "{warnings}");
}
