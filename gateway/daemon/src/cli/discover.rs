//! `gatehouse discover`: which cameras answer on the network, for whoever installs them.
//!
//! One Probe of WS-Discovery, and what answers in time. Nothing of an answer is dialled, and no password is
//! sent: whoever is in the network may answer anything, so this proposes lines for the file and a person
//! decides.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use gatehouse_camera::onvif::discovery::{Found, MULTICAST, ProbeSettings, probe};
use gatehouse_core::id::{Id, MAX_ID_LEN};
use serde_json::json;

use super::{EX_NOPERM, EX_SOFTWARE, output};

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse discover                       on the network that the system chooses
  gatehouse discover --from 10.0.0.1       on the network of this address: a second interface
  gatehouse discover --to 10.0.0.7:3702    ask one camera, where a router drops multicast
  gatehouse discover --json | jq .onvif")]
pub(super) struct DiscoverArgs {
    /// The box's own address on the cameras' network; without it the system chooses one.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    from: IpAddr,
    /// Where the question goes.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = MULTICAST)]
    to: SocketAddr,
    /// How many seconds answers are waited for.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn discover(args: &DiscoverArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::eprint(&format!("error: {error}\n"));
            return ExitCode::from(EX_SOFTWARE);
        }
    };
    let DiscoverArgs { from, to, seconds, json } = *args;
    let settings =
        ProbeSettings { from, to, limit: Duration::from_secs(seconds), ..ProbeSettings::default() };
    let mut found = match runtime.block_on(probe(settings)) {
        Ok(found) => found,
        Err(error) => {
            output::eprint(&format!(
                "error: cameras cannot be asked for: {error}\nhint: --from names this box's address \
                 on the cameras' network; `ip address` lists them\n"
            ));
            return ExitCode::from(EX_NOPERM);
        }
    };
    if found.is_empty() {
        output::eprint(&format!(
            "no camera answered at {to} within {seconds} s\nhint: is discovery, or ONVIF, switched on at \
             the camera? Is it on the network of --from? --to asks one address\n"
        ));
        return ExitCode::FAILURE;
    }
    found.sort_by_key(|camera| camera.address.to_string());
    let text = if json { lines(&found) } else { proposal(&found) };
    output::print(&text);
    ExitCode::SUCCESS
}

fn lines(found: &[Found]) -> String {
    let line = |camera: &Found| {
        let Found { endpoint, address, name, hardware, scopes } = camera;
        let facts = json!({
            "onvif": address.to_string(), "host": address.endpoint().0, "name": name,
            "hardware": hardware, "scopes": scopes, "endpoint": endpoint,
        });
        format!("{facts}\n")
    };
    found.iter().map(line).collect()
}

/// Lines for the file, with what each camera says of itself above its table.
fn proposal(found: &[Found]) -> String {
    let mut text = format!(
        "# {} answered. What stands in comments they say of themselves. Take over what is yours, and for\n\
         # each the name and password of a user of its ONVIF; then `gatehouse check`.\n",
        if found.len() == 1 { "1 camera".to_owned() } else { format!("{} cameras", found.len()) }
    );
    let mut taken = BTreeSet::new();
    for camera in found {
        let Found { address, name, hardware, scopes, .. } = camera;
        let _ = writeln!(text, "\n# {}", address.endpoint().0);
        let said = [("name", name), ("hardware", hardware)];
        for (what, said) in said {
            if let Some(said) = said {
                let _ = writeln!(text, "#   {what:<9} {}", plain(said));
            }
        }
        let others = scopes
            .iter()
            .filter(|scope| !["name/", "hardware/"].iter().any(|known| scope.starts_with(known)));
        for scope in others {
            let _ = writeln!(text, "#   says      {}", plain(scope));
        }
        let id = id(name.as_deref().or(hardware.as_deref()), &mut taken);
        let _ = writeln!(text, "[[camera]]\nid = \"{id}\"\nonvif = \"{address}\"");
        let _ = writeln!(text, "#username = \"watch\"");
        let _ = writeln!(text, "#password-file = \"/etc/gatehouse/camera-{id}.secret\"");
    }
    text
}

/// A camera's own words on one line of a comment, without what a terminal obeys.
fn plain(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// An id that a name suggests, and that no other has.
fn id(name: Option<&str>, taken: &mut BTreeSet<String>) -> Id {
    let mut word = String::new();
    for c in name.unwrap_or_default().chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => word.push(c),
            _ if !word.is_empty() && !word.ends_with('-') => word.push('-'),
            _ => {}
        }
    }
    // Room for a number behind it.
    word.truncate(MAX_ID_LEN - 4);
    let word = word.trim_matches('-');
    let word = if word.is_empty() { "camera" } else { word };
    let numbered = (2..).map(|number| format!("{word}-{number}"));
    let mut names = std::iter::once(word.to_owned()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone())).expect("numbers do not end");
    free.parse().expect("small letters, digits and hyphens are an id")
}

#[cfg(test)]
mod tests {
    use gatehouse_camera::source::Address;
    use gatehouse_config::{CameraSource, Config};

    use super::*;

    fn camera(host: &str, name: Option<&str>, hardware: Option<&str>) -> Found {
        let scopes = ["name/x", "Profile/Streaming", "location/a\u{1b}[31mb"];
        Found {
            endpoint: format!("urn:uuid:{host}"),
            address: Address::http(&format!("http://{host}/onvif/device_service")).unwrap(),
            name: name.map(str::to_owned),
            hardware: hardware.map(str::to_owned),
            scopes: scopes.map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn what_is_proposed_is_a_file_that_is_right() {
        let found = [
            camera("10.0.0.7", Some("Main gate"), Some("DS-2CD2032-I")),
            camera("10.0.0.8:8080", Some("main GATE!"), None),
            camera("10.0.0.9", None, Some("IPC\n[[camera]]")),
            camera("10.0.0.10", Some("\u{95e8}"), None),
            camera("[fe80::7]", None, None),
        ];
        let text = proposal(&found);
        assert!(text.contains("#   name      Main gate\n#   hardware  DS-2CD2032-I\n"), "{text}");
        assert!(text.contains("#   says      Profile/Streaming\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let site = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n[[broker]]\nid = \"b\"\n\
                    host = \"localhost\"\n";
        let config = Config::parse(&format!("{site}{text}"), "test").unwrap();
        let read = config.cameras.iter().map(|camera| {
            assert_eq!(camera.source, CameraSource::Onvif);
            (camera.rules.id.to_string(), camera.onvif.as_ref().unwrap().to_string())
        });
        let read: Vec<_> = read.collect();
        let address = |host: &str| format!("http://{host}/onvif/device_service");
        let expected = [
            ("main-gate", "10.0.0.7"),
            ("main-gate-2", "10.0.0.8:8080"),
            ("ipc-camera", "10.0.0.9"),
            ("camera", "10.0.0.10"),
            ("camera-2", "[fe80::7]"),
        ];
        assert_eq!(read, expected.map(|(id, host)| (id.to_owned(), address(host))));
    }

    #[test]
    fn a_long_name_is_cut_to_an_id() {
        let mut taken = BTreeSet::new();
        let long = "North wall, by the third lamp post behind the old gate";
        for _ in 0..120 {
            assert!(id(Some(long), &mut taken).as_str().len() <= MAX_ID_LEN);
        }
        assert_eq!(taken.len(), 120);
    }

    #[test]
    fn a_program_reads_each_camera_on_a_line_of_its_own() {
        let text = lines(&[camera("10.0.0.7", Some("Main gate"), None)]);
        let facts: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&facts["host"], &facts["name"]), (&json!("10.0.0.7"), &json!("Main gate")));
        assert_eq!(facts["onvif"], "http://10.0.0.7/onvif/device_service");
        assert_eq!(facts["scopes"][1], "Profile/Streaming");
    }
}
