//! The key of this box, which signs its checkpoints: made at the first start, never moved.

use std::path::Path;

use gatehouse_core::checkpoint::{Checkpoint, from_hex, key_id, statement, to_hex};
use gatehouse_core::contract;
use gatehouse_core::event;
use gatehouse_core::id::{Id, Seq};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::secret::{self, SecretError};

/// Its name in the state folder.
pub const NAME: &str = "device.key";

const WHAT: &str = "the device key";

/// The pair.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl DeviceKey {
    /// The key in this folder; made if there is none. The file holds the seed of RFC 8032 as 64 hex
    /// digits, for its owner alone.
    ///
    /// # Errors
    /// When there is a file that is not to be used: see [`SecretError`].
    ///
    /// # Panics
    /// Never: a key is 32 bytes, and each 32 bytes are a seed.
    pub fn open(dir: &Path) -> Result<Self, SecretError> {
        let seed = Zeroizing::new(secret::key_of(&dir.join(NAME), WHAT)?.to_hex());
        let seed = Zeroizing::new(from_hex::<32>(&seed).expect("a key prints as 64 digits"));
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed)
            .expect("every 32 bytes are a seed of Ed25519");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public half, as `desc` tells it.
    pub fn public(&self) -> contract::DeviceKey {
        contract::DeviceKey { id: key_id(&self.public), public: to_hex(&self.public) }
    }

    /// A checkpoint over the event of this number and hash.
    pub fn sign(&self, gateway: &Id, upto: Seq, hash: &[u8; 32]) -> Checkpoint {
        let signature = self.pair.sign(&statement(gateway, upto, hash));
        let contract::DeviceKey { id, public } = self.public();
        Checkpoint {
            upto,
            hash: event::hex(hash),
            key: id,
            public,
            sig: to_hex(signature.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_signs_as_rfc_8032_says() {
        let dir = tempfile::tempdir().unwrap();
        let made = DeviceKey::open(dir.path()).unwrap().public();
        assert_eq!(DeviceKey::open(dir.path()).unwrap().public(), made);

        // Test vector 1 of RFC 8032, 7.1: this seed has this public key.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        std::fs::write(dir.path().join(NAME), seed).unwrap();
        let key = DeviceKey::open(dir.path()).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public().public, public);

        let gateway: Id = "g-1".parse().unwrap();
        let made = key.sign(&gateway, Seq(7), &[3; 32]);
        let sig: [u8; 64] = from_hex(&made.sig).unwrap();
        let public: [u8; 32] = from_hex(&made.public).unwrap();
        let checks = |gateway: &str, upto| {
            let stated = statement(&gateway.parse().unwrap(), Seq(upto), &[3; 32]);
            let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
            key.verify(&stated, &sig).is_ok()
        };
        assert!(checks("g-1", 7));
        assert!(!checks("g-1", 8) && !checks("g-2", 7));
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        DeviceKey::open(dir.path()).unwrap();
        let file = dir.path().join(NAME);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
        let error = DeviceKey::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("the device key") && error.contains("chmod 600"), "{error}");
        assert!(error.contains("remove it: a new one is made"), "{error}");
    }
}
