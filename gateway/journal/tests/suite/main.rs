//! The journal from outside, one file per matter.

#[cfg(test)]
mod common;
mod everyday;
