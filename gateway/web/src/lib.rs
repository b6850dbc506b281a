//! What the control room's wall and the gateway's page share: a socket, sessions, passwords, a guard
//! against requests that no page of ours makes, and the look.
//!
//! | module | holds |
//! |---|---|
//! | [`listen`] | connections, plain or with TLS, bounded |
//! | [`guard`] | the headers of every answer, what is refused before anybody looks at it, the cookie |
//! | [`secret`] | passwords (Argon2id) and tokens |
//! | [`session`] | who is logged in |
//! | [`lockout`] | who may try a password again, and when |
//! | [`exposition`] | Prometheus' text format |
//! | [`page`] | files that are served as they are, and what a page must keep to |
//!
//! # Limits
//!
//! HTTP/1.1 only. What an account is, and what it may do, is a matter of whoever serves: nothing here
//! knows roles.
//!
//! ```
//! use gatehouse_web::{lockout::Lockout, secret};
//!
//! let hash = secret::hash("correct horse battery").unwrap();
//! assert!(secret::verify("correct horse battery", Some(&hash)));
//! assert!(!secret::verify("correct horse battery", None), "there is no such account");
//! let nobody = Lockout::default();
//! let here = std::net::Ipv4Addr::LOCALHOST.into();
//! assert_eq!(nobody.wait("op-7", here, gatehouse_core::time::Mono(0)), None);
//! ```

pub mod exposition;
pub mod guard;
pub mod listen;
pub mod lockout;
pub mod page;
pub mod secret;
pub mod session;
