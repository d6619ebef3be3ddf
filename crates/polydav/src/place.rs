//! `Place`: where something lies on disk, whatever it is called there.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A path without links and dots, and the folders above it: one folder may have two paths.
#[derive(Debug)]
pub(crate) struct Place {
    whole: PathBuf,
    /// Device and inode of what is there, and of all it lies in.
    above: Vec<(u64, u64)>,
    /// The same of what is there itself; `None` if it isn't there yet.
    own: Option<(u64, u64)>,
}

impl Place {
    /// Where `path` lies. Of what isn't there yet, the part that is counts.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        let (above, there) = there.unwrap_or((Path::new("/"), PathBuf::from("/")));
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let identities = there.ancestors().map(|above| above.metadata().map(identity));
        let identities = identities.collect::<io::Result<Vec<_>>>()?;
        let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
        let own = identities.first().copied().filter(|_| rest == Path::new(""));
        Ok(Self { whole: there.join(rest), above: identities, own })
    }

    /// Whether it is this place or lies in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.whole.starts_with(&other.whole)
            || other.own.is_some_and(|own| self.above.contains(&own))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_place_lies_in_another_by_whatever_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        create_dir_all(at("a/b")).unwrap();
        create_dir_all(at("ab")).unwrap();
        symlink(at("a"), at("link")).unwrap();
        for (inner, outer, expected) in [
            ("a", "a", true),
            ("a/b", "a", true),
            ("a", "a/b", false),
            ("ab", "a", false),
            ("link", "a", true),
            ("a", "link", true),
            ("link/b/none/file", "a/b", true),
            ("ab/../a/./none", "a", true),
            ("a/none/file", "a/none", true),
            ("a/none", "a/other", false),
        ] {
            let [inner_place, outer_place] =
                [inner, outer].map(|path| Place::of(&at(path)).unwrap());
            assert_eq!(inner_place.is_within(&outer_place), expected, "{inner} in {outer}");
        }
        let bound = Place { whole: "/elsewhere/b".into(), ..Place::of(&at("a/b")).unwrap() };
        assert!(bound.is_within(&Place::of(&at("a")).unwrap()), "a folder mounted elsewhere");
        assert!(!bound.is_within(&Place::of(&at("ab")).unwrap()));
    }
}
