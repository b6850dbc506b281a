//! NAL units behind their lengths.

use super::DecodeError;

/// Bytes of a length.
pub(super) const LENGTH: usize = 4;

/// Splits an access unit into its NAL units, each still behind its length.
///
/// # Errors
///
/// [`DecodeError::Framing`] when the lengths do not fill it exactly.
pub(super) fn split(mut data: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut units = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<LENGTH>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > rest.len() {
            return Err(DecodeError::Framing);
        }
        let (unit, rest) = data.split_at(LENGTH + length);
        units.push(unit);
        data = rest;
    }
    if data.is_empty() { Ok(units) } else { Err(DecodeError::Framing) }
}

/// A NAL unit behind its length.
pub(super) fn prefixed(unit: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let length = u32::try_from(unit.len()).map_err(|_| DecodeError::TooLong(unit.len()))?;
    let mut out = Vec::with_capacity(LENGTH + unit.len());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(unit);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_to_add_up() {
        let whole = [prefixed(&[1, 2, 3]).unwrap(), prefixed(&[4]).unwrap()].concat();
        let units = split(&whole).unwrap();
        assert_eq!(units, [&[0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 1, 4][..]]);
        for cut in [1, 3, 5, 8, 11] {
            assert_eq!(split(&whole[..cut]), Err(DecodeError::Framing), "{cut}");
        }
        assert_eq!(split(&[0, 0, 0, 0]), Err(DecodeError::Framing));
        assert_eq!(split(&[0xff; 9]), Err(DecodeError::Framing));
        assert_eq!(split(&[]), Ok(vec![]));
    }
}
