#![no_std]
//! Device drivers over embedded-hal 1.0.
