//! Whether a command's signature is good.

use gatehouse_config::Config;
use gatehouse_core::commands::Signed;
use gatehouse_core::contract::Command;
use gatehouse_core::id::Id;
use ring::signature::{ED25519, UnparsedPublicKey};

/// What is found out about the signature of a command with this id.
pub(super) fn signed(command: &Command, id: &Id, config: &Config) -> Signed {
    let Some(sig) = &command.sig else { return Signed::No };
    let Some(key) = config.commands.keys.iter().find(|key| key.id == sig.key) else {
        return Signed::Foreign;
    };
    let Some(bytes) = command.canonical(&config.address, id) else { return Signed::Wrong };
    match UnparsedPublicKey::new(&ED25519, key.public).verify(&bytes, &sig.ed25519.0) {
        Ok(()) => Signed::By { key: key.id.clone(), role: key.role.clone() },
        Err(_) => Signed::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::contract::{Signature, SignatureBytes};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        gatehouse_core::event::hex(bytes.try_into().unwrap())
    }

    fn config(public: &str) -> Config {
        let text = format!(
            "[gateway]\nid = \"g-1\"\ndistrict = \"d\"\nsite = \"s\"\n\
             [[command-key]]\nid = \"k-1\"\nrole = \"operator\"\npublic = \"{public}\"\n\
             [[broker]]\nid = \"b\"\nhost = \"localhost\"\n"
        );
        Config::parse(&text, "gateway.toml").unwrap()
    }

    #[test]
    fn a_signature_is_good_for_this_command_of_this_key_at_this_gateway_alone() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = hex(pair.public_key().as_ref());
        let config = config(&public);
        let id: Id = "c-1".parse().unwrap();
        let command: Command = serde_json::from_value(json!({
            "verb": "arm", "args": { "partition": "flat" }, "issued": "2026-09-30T11:02:03.000Z",
            "expires": "2026-09-30T11:02:33.000Z", "operator": "op-7",
        }))
        .unwrap();
        assert_eq!(signed(&command, &id, &config), Signed::No);
        let bytes = command.canonical(&config.address, &id).unwrap();
        let ed25519 = SignatureBytes(pair.sign(&bytes).as_ref().try_into().unwrap());
        let sig = |key: &str| Some(Signature { key: key.parse().unwrap(), ed25519 });
        let good = Command { sig: sig("k-1"), ..command.clone() };
        let by = Signed::By { key: "k-1".parse().unwrap(), role: "operator".parse().unwrap() };
        assert_eq!(signed(&good, &id, &config), by);
        let foreign = Command { sig: sig("k-2"), ..command.clone() };
        assert_eq!(signed(&foreign, &id, &config), Signed::Foreign);
        assert_eq!(signed(&good, &"c-2".parse().unwrap(), &config), Signed::Wrong);
        let mut elsewhere = config.clone();
        elsewhere.address.gateway = "g-2".parse().unwrap();
        assert_eq!(signed(&good, &id, &elsewhere), Signed::Wrong);
        for changed in [
            Command { verb: "disarm".into(), ..good.clone() },
            Command { operator: "op-8".into(), ..good.clone() },
            Command { nonce: Some("n".into()), ..good.clone() },
            Command { expires: None, ..good.clone() },
            Command { role: Some("operator".parse().unwrap()), ..good.clone() },
        ] {
            assert_eq!(signed(&changed, &id, &config), Signed::Wrong, "{changed:?}");
        }
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        let ed25519 = SignatureBytes(other.sign(&bytes).as_ref().try_into().unwrap());
        let forged =
            Command { sig: Some(Signature { key: "k-1".parse().unwrap(), ed25519 }), ..command };
        assert_eq!(signed(&forged, &id, &config), Signed::Wrong);
    }
}
