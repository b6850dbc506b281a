//! S3 as a client that only writes: Amazon's REST API of 2006-03-01, as MinIO, Ceph, Garage and others speak it.
//!
//! [`Client`] has one connection, over which one request goes at a time; a payload is streamed, so a large
//! file takes no memory. It knows nothing of evidence: that is [`unit::store`](crate::unit).
//!
//! # Limits
//!
//! - Seven calls: PutObject, HeadObject, CreateMultipartUpload, UploadPart, ListParts,
//!   CompleteMultipartUpload, AbortMultipartUpload. No redirect is followed: what is sent must not go
//!   wherever a server says.
//! - Integrity is that of Signature Version 4: the SHA-256 of each payload is signed. The newer
//!   `x-amz-checksum-*` headers are not sent: several stores refuse requests that have them.
//! - A store whose clock is far from ours refuses everything. Where ours is not synchronised the store's
//!   time is taken for signatures, and for nothing else.

mod answer;
mod client;
mod payload;
mod sign;

pub(crate) use answer::{Fault, Listed, S3Error};
pub(crate) use client::{About, Client, Object};
pub(crate) use payload::{Ended, Payload};
