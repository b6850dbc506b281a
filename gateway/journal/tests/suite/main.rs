//! The journal from outside, one file per matter.

#[cfg(test)]
mod common;
mod everyday;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod model;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod retention;
