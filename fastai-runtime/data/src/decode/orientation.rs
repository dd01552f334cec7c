//! The orientation that EXIF states.

use image::metadata::Orientation;

use super::palette::Directory;

/// The tag of the orientation.
const TAG: u16 = 0x0112;

/// Returns the orientation in EXIF data (or in a whole TIFF file), whatever integer type states it; upright without one.
pub(super) fn of(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(find).and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

fn find(exif: &[u8]) -> Option<u8> {
    // Some writers repeat the name of the JPEG segment in other formats.
    let data = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let directory = Directory::first(data)?;
    let stated = |at: usize| {
        // Bytes, short and long numbers, unsigned and signed.
        let value = match directory.short(at + 2)? {
            1 | 6 => u32::from(*data.get(at + 8)?),
            3 | 8 => u32::from(directory.short(at + 8)?),
            4 | 9 => directory.long(at + 8)?,
            _ => return None,
        };
        let is_one = directory.long(at + 4)? == 1 && (1..=8).contains(&value);
        is_one.then_some(value as u8)
    };
    directory.entries_of(TAG).find_map(stated)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry of this type and count, with the value's bytes.
    fn exif(big: bool, kind: u16, count: u32, value: [u8; 4]) -> Vec<u8> {
        let two = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let four = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let start: &[u8] = if big { b"MM\0*" } else { b"II*\0" };
        [start, &four(8), &two(1), &two(TAG), &two(kind), &four(count), &value, &four(0)].concat()
    }

    #[test]
    fn every_integer_type_states_the_orientation() {
        for (kind, length) in [(1, 1), (6, 1), (3, 2), (8, 2), (4, 4), (9, 4)] {
            let mut little = [0; 4];
            little[0] = 6;
            let mut big = [0; 4];
            big[length - 1] = 6;
            for (is_big, value) in [(false, little), (true, big)] {
                let exif = exif(is_big, kind, 1, value);
                assert_eq!(of(Some(&exif)), Orientation::Rotate90, "type {kind}");
                assert_eq!(of(Some(&[b"Exif\0\0", &exif[..]].concat())), Orientation::Rotate90);
            }
        }
    }

    #[test]
    fn anything_else_is_upright() {
        for broken in
            [exif(false, 5, 1, [6, 0, 0, 0]), exif(false, 3, 2, [6, 0, 0, 0]), exif(false, 3, 1, [9, 0, 0, 0])]
        {
            assert_eq!(of(Some(&broken)), Orientation::NoTransforms);
        }
        let whole = exif(true, 3, 1, [0, 6, 0, 0]);
        (0..whole.len() - 6).for_each(|cut| assert_eq!(of(Some(&whole[..cut])), Orientation::NoTransforms));
        assert_eq!(of(Some(b"II*\0\xff\xff\xff\xff")), Orientation::NoTransforms);
        assert_eq!(of(None), Orientation::NoTransforms);
    }
}
