//! `gatehouse diag` of a box that is full of secrets, pictures and names.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use gatehouse_tests::ports::Port;
use gatehouse_tests::{Certificates, Gateway, GatewayOptions, World};
use serde_json::Value;

/// A file that nobody else reads.
fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, Permissions::from_mode(0o600))?)
}

const CAMERA: &str = "camera-pass-word";
const BROKER: &str = "broker pass\"word";
const STORE: &str = "wJalrXUtnFEMI/K7MDENG";
const BUS: &str = "303132333435363738393a3b3c3d3e3f";
const IN_LINE: &str = "left-in-the-file";
const PERSON: &str = "Flat of somebody";
const NOTE: &str = "ask somebody else";

/// The members of a tar file, by name, as `tar` has them.
fn members(bytes: &[u8]) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a"), bytes)?;
    let mut unpack = std::process::Command::new("tar");
    let output = unpack.current_dir(folder.path()).args(["-xvf", "a"]).output()?;
    ensure!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout)?;
    let read = |name: &str| Ok((name.to_owned(), std::fs::read(folder.path().join(name))?));
    names.lines().map(read).collect()
}

#[tokio::test]
async fn a_bundle_has_what_helps_and_no_secret_no_picture_and_no_name() -> anyhow::Result<()> {
    let (keys, world) = (tempfile::tempdir()?, World::start(0..2)?);
    let certificates = Certificates::new()?;
    let (page, own) = (certificates.broker()?, certificates.client("g-1")?);
    let at = |name: &str| keys.path().join(name);
    for (name, text) in [("camera", CAMERA), ("broker", BROKER), ("store", STORE), ("bus", BUS)] {
        secret(&at(name), text)?;
    }
    let port = Port::hold()?;
    let mut options = GatewayOptions::new(&world).doors(1);
    // What systemd's journal would say: there is none here, and the program is asked in its name.
    let log = format!(
        "#!/bin/sh\necho 'box gatehouse: started'\necho 'box gatehouse: login {CAMERA} refused'\n\
         echo 'box gatehouse: logged in account=somebody'\n"
    );
    std::fs::write(at("journalctl"), log)?;
    std::fs::set_permissions(at("journalctl"), Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH")?;
    options.environment.push(("PATH".into(), format!("{}:{path}", keys.path().display())));
    options.extra = format!(
        "[[broker]]\nid = \"main\"\nhost = \"127.0.0.1\"\nport = 1\nusername = \"somebody\"\n\
         password-file = {broker:?}\n[broker.tls]\nca = {ca:?}\ncertificate = {own:?}\nkey = {own_key:?}\n\
         # {NOTE}\n[[zone]]\nid = \"attic\"\nname = \"{PERSON}\"\nkind = \"24h\"\ninput = \"sim:1\"\n\
         debounce-ms = 0\n[[camera]]\nid = \"gate\"\nstream = \"rtsp://127.0.0.1:1/{CAMERA}\"\n\
         username = \"somebody\"\npassword-file = {camera:?}\n[[rs485]]\nid = \"north\"\n\
         device = \"/dev/not-there\"\nkey-file = {bus:?}\n[[reader]]\nid = \"front\"\nbus = \"north\"\n\
         address = 1\ndoor = \"door-0\"\n[evidence.store]\nendpoint = \"http://127.0.0.1:1\"\nbucket = \"b-1\"\n\
         access-key = \"somebody\"\nsecret-key-file = {store:?}\n[page]\nlisten = \"{listen}\"\n\
         certificate = {certificate:?}\nkey = {key:?}\n",
        broker = at("broker"),
        ca = certificates.ca(),
        own = own.certificate,
        own_key = own.key,
        camera = at("camera"),
        bus = at("bus"),
        store = at("store"),
        listen = port.address(),
        certificate = page.certificate,
        key = page.key,
    );
    let gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    let evidence = gateway.state().join("evidence");
    std::fs::create_dir_all(&evidence)?;
    std::fs::write(evidence.join("gate-1.jpg"), b"\xff\xd8\xff\xe0 a picture")?;
    std::fs::write(evidence.join("gate-1.mp4"), b"\0\0\0\x18ftypiso5 a clip")?;
    let card = "b3:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    std::fs::write(gateway.config().with_file_name("cards"), card)?;
    // The file is edited, and a password left in it: the doctor says that it does not hold yet.
    let text = std::fs::read_to_string(gateway.config())?;
    gateway.write_config(&format!("{text}# password = \"{IN_LINE}\"\n"))?;

    let bundle = at("box.tar");
    let bundle_name = bundle.to_str().context("UTF-8")?;
    let (code, said, complaint) = gateway.says(&["diag", "--output", bundle_name]).await?;
    ensure!(code == 0, "{code}: {said}{complaint}");
    ensure!(
        std::fs::metadata(&bundle)?.permissions().mode() & 0o777 == 0o600,
        "for its owner alone"
    );
    let bytes = std::fs::read(&bundle)?;
    let has = |part: &[u8]| bytes.windows(part.len()).any(|bytes| bytes == part);
    let in_json = Value::from(BROKER).to_string();
    let pem = |path: &Path| -> anyhow::Result<String> {
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find(|line| !line.starts_with("-----"));
        Ok(line.context("a key has lines")?.to_owned())
    };
    let site_key = std::fs::read_to_string(gateway.state().join("device.key"))?;
    let (page_key, own_key) = (pem(&page.key)?, pem(&own.key)?);
    for (what, value) in [
        ("the camera's password", CAMERA),
        ("the broker's password", BROKER),
        ("the broker's password in JSON", in_json.trim_matches('"')),
        ("the store's key", STORE),
        ("the bus's key", BUS),
        ("a password in a comment", IN_LINE),
        ("a name", PERSON),
        ("a note", NOTE),
        ("a login", "somebody"),
        ("the page's key", &page_key),
        ("the gateway's key", &own_key),
        ("the device's key", site_key.trim()),
    ] {
        ensure!(value.len() > 3 && !has(value.as_bytes()), "{what} is in the bundle");
    }
    for (what, mark) in
        [("a JPEG", &b"\xff\xd8\xff"[..]), ("an MP4", b"ftyp"), ("a picture", b"gate-1")]
    {
        ensure!(!has(mark), "{what} is in the bundle");
    }

    let members = members(&bytes)?;
    let member = |name: &str| -> anyhow::Result<String> {
        let found = members.iter().find(|(of, _)| of == name).with_context(|| name.to_owned())?;
        Ok(String::from_utf8(found.1.clone())?)
    };
    let manifest = member("MANIFEST")?;
    ensure!(said.contains(&manifest), "it is shown what is in it");
    for (name, bytes) in members.iter().filter(|(name, _)| name != "MANIFEST") {
        ensure!(
            manifest.contains(&format!("  {name}  {} bytes", bytes.len())),
            "{name}: {manifest}"
        );
    }
    ensure!(manifest.contains("1 lines about accounts"), "{manifest}");
    ensure!(manifest.contains("the value of a secret stood somewhere"), "{manifest}");
    ensure!(member("gateway.toml")?.contains("id = \"attic\"\nname =*"), "what is no secret stays");
    ensure!(member("log.txt")?.contains("started"), "the log");
    ensure!(member("machine.txt")?.contains("kernel: Linux version"), "the machine");
    let status: Value = serde_json::from_str(&member("status.json")?)?;
    ensure!(status["gateway"] == "g-1" && status["things"][0]["name"].is_null(), "{status}");
    let doctor: Value = serde_json::from_str(&member("doctor.json")?)?;
    ensure!(doctor.to_string().contains("gatehouse reload"), "{doctor}");
    let events = member("events.jsonl")?;
    ensure!(events.contains("\"type\":\"system.started\""), "{events}");
    for line in events.lines() {
        let event: Value = serde_json::from_str(line)?;
        ensure!(event.get("actor").is_none() && event["class"] != "access", "{line}");
    }

    // What is there is not overwritten.
    let (code, _, complaint) = gateway.says(&["diag", "--output", bundle_name]).await?;
    ensure!(code == 77 && complaint.contains("hint: name a file"), "{code}: {complaint}");
    Ok(())
}
