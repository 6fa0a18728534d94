//! The files of an image, and their tar archive in the ustar format: sorted by path, owned by root,
//! with the time 0.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _, path::Path};

const BLOCK: usize = 512;
/// The space for a path in a tar header.
const LONGEST_PATH: usize = 100;

/// Files by path, without a leading slash.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree(BTreeMap<String, Entry>);

/// A path that is too long for a tar header.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the path {0} is longer than a tar archive takes")]
pub struct PathTooLong(String);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    mode: u32,
    kind: Kind,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Directory,
    File(Vec<u8>),
    /// A link to a file of the tree.
    Link(String),
}

impl Tree {
    /// Adds a file and its parent directories.
    pub fn file(&mut self, path: &str, mode: u32, content: Vec<u8>) -> Result<(), PathTooLong> {
        self.add(path, mode, Kind::File(content))
    }

    /// Adds a directory and its parent directories.
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), PathTooLong> {
        self.add(path, mode, Kind::Directory)
    }

    /// Adds a link to a file of the tree.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), PathTooLong> {
        self.add(path, 0o755, Kind::Link(target.to_owned()))
    }

    /// Every path, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every file with its content, in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(path, entry)| match &entry.kind {
            Kind::File(content) => Some((path.as_str(), content.as_slice())),
            Kind::Directory | Kind::Link(_) => None,
        })
    }

    fn add(&mut self, path: &str, mode: u32, kind: Kind) -> Result<(), PathTooLong> {
        // In the header, a directory's path ends with a slash.
        if path.len() >= LONGEST_PATH {
            return Err(PathTooLong(path.to_owned()));
        }
        for (at, _) in path.match_indices('/') {
            self.0.entry(path[..at].to_owned()).or_insert(Entry {
                mode: 0o755,
                kind: Kind::Directory,
            });
        }
        self.0.insert(path.to_owned(), Entry { mode, kind });
        Ok(())
    }

    /// Links come after all files, because they must name existing files.
    fn ordered(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let is_link = |entry: &Entry| matches!(entry.kind, Kind::Link(_));
        let others = self.0.iter().filter(move |(_, entry)| !is_link(entry));
        others.chain(self.0.iter().filter(move |(_, entry)| is_link(entry)))
    }

    /// The tar archive of the tree.
    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, entry) in self.ordered() {
            entry.write(path, &mut tar);
        }
        tar.resize(tar.len() + 2 * BLOCK, 0);
        tar
    }

    /// Writes the files into an existing directory.
    pub fn unpack(&self, directory: &Path) -> io::Result<()> {
        for (path, Entry { mode, kind }) in self.ordered() {
            let path = directory.join(path);
            match kind {
                Kind::Directory => fs::create_dir_all(&path)?,
                Kind::File(content) => fs::write(&path, content)?,
                Kind::Link(target) => fs::hard_link(directory.join(target), &path)?,
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
        }
        Ok(())
    }
}

impl Entry {
    fn write(&self, path: &str, tar: &mut Vec<u8>) {
        let (kind, slash, target, content): (_, _, _, &[u8]) = match &self.kind {
            Kind::Directory => (b'5', "/", "", &[]),
            Kind::File(content) => (b'0', "", "", content),
            Kind::Link(target) => (b'1', "", target.as_str(), &[]),
        };
        let mut header = [0; BLOCK];
        let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
        put(0, format!("{path}{slash}").as_bytes());
        put(100, format!("{:07o}", self.mode).as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", content.len()).as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        let padded = tar.len().next_multiple_of(BLOCK);
        tar.resize(padded, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.file("bin/tool", 0o755, b"#!".to_vec()).unwrap();
        tree.link("bin/sh", "bin/tool").unwrap();
        tree.directory("tmp", 0o777).unwrap();
        tree
    }

    #[test]
    fn tar_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("it.tar");
        fs::write(&file, tree().tar()).unwrap();
        let listed = Command::new("tar").arg("tvf").arg(&file).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8(listed.stdout).unwrap();
        let lines: Vec<_> = listed.lines().collect();
        assert!(lines[0].starts_with("drwxr-xr-x 0/0 ") && lines[0].ends_with(" bin/"));
        assert!(lines[1].starts_with("-rwxr-xr-x") && lines[1].ends_with(" bin/tool"));
        assert!(lines[2].starts_with("drwxrwxrwx") && lines[2].ends_with(" tmp/"));
        assert!(lines[3].ends_with(" bin/sh link to bin/tool"), "{listed}");
    }

    #[test]
    fn unpacked_it_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        tree().unpack(directory.path()).unwrap();
        let tool = directory.path().join("bin/tool");
        assert_eq!(fs::read(directory.path().join("bin/sh")).unwrap(), b"#!");
        assert_eq!(
            fs::metadata(&tool).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let path = "x".repeat(100);
        let refused = Tree::default().file(&path, 0o644, Vec::new());
        assert_eq!(refused, Err(PathTooLong(path)));
    }
}
