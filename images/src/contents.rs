//! What is in the image of a program: the program without its debugging information, what it loads, how
//! the C library is to resolve names, and whom it trusts where nobody says.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    libraries::{LibrariesError, loaded_by},
    tree::{PathTooLong, Tree},
};

const C_LIBRARY: &str = "libc.so.6";
/// A C library that holds this asks name servers by itself (glibc from 2.34 on); older ones load files
/// for it that `ldd` does not name.
const RESOLVER: &[u8] = b"_nss_dns_gethostbyname4_r";
/// What pods are told in `/etc/hosts` goes first, as everywhere.
const NSSWITCH: &str = "hosts: files dns\n";

/// Public authorities, for a hub whose kubeconfig names none because its certificate is from one of them.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Why there is no image of a program.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// What it loads is not known.
    #[error(transparent)]
    Libraries(#[from] LibrariesError),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its debugging information cannot be left out.
    #[error("cannot strip {}: {why}", program.display())]
    Strip {
        /// The program.
        program: PathBuf,
        /// Why.
        why: String,
    },
    /// The machine's C library cannot resolve names from within an image.
    #[error("{} is older than glibc 2.34, whose first it is to resolve names by itself", .0.display())]
    OldLibrary(PathBuf),
    /// A file's path does not fit.
    #[error(transparent)]
    Path(#[from] PathTooLong),
}

/// The files of the image of a program that is at `path` here, and at `/name` there.
pub fn of_program(name: &str, path: &Path) -> Result<Tree, ContentsError> {
    let mut files = Tree::default();
    files.file(name, 0o755, stripped(path)?)?;
    let authorities = read(&Path::new("/").join(AUTHORITIES))?;
    files.file(AUTHORITIES, 0o644, authorities)?;
    for library in loaded_by(path)? {
        let content = read(&library)?;
        if library.ends_with(C_LIBRARY) {
            if !holds(&content, RESOLVER) {
                return Err(ContentsError::OldLibrary(library));
            }
            files.file("etc/nsswitch.conf", 0o644, NSSWITCH.into())?;
        }
        let inside = library.display().to_string();
        files.file(inside.trim_start_matches('/'), 0o755, content)?;
    }
    Ok(files)
}

fn stripped(program: &Path) -> Result<Vec<u8>, ContentsError> {
    let failed = |why: String| ContentsError::Strip {
        program: program.to_owned(),
        why,
    };
    let directory = TempDir::new().map_err(|error| failed(error.to_string()))?;
    let to = directory.path().join("stripped");
    let mut strip = Command::new("strip");
    let strip = strip.args(["--strip-debug", "-o"]).arg(&to).arg(program);
    let output = strip.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.trim().to_owned()));
    }
    read(&to)
}

fn read(path: &Path) -> Result<Vec<u8>, ContentsError> {
    fs::read(path).map_err(|source| ContentsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn holds(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_what_it_loads_and_nothing_else() {
        let program = std::env::current_exe().unwrap();
        let files = of_program("tool", &program).unwrap();
        let loaded = loaded_by(&program).unwrap();
        let loaded = loaded.iter().map(|path| path.display().to_string());
        let mut wanted: Vec<_> = loaded.map(|path| path[1..].to_owned()).collect();
        assert!(
            wanted.iter().any(|path| path.ends_with(C_LIBRARY)),
            "{wanted:?}"
        );
        wanted.extend(["etc/nsswitch.conf", AUTHORITIES, "tool"].map(str::to_owned));
        wanted.sort();
        let all: Vec<_> = files.paths().collect();
        let is_directory = |path: &str| all.iter().any(|it| it.starts_with(&format!("{path}/")));
        let found = all.iter().filter(|path| !is_directory(path));
        assert_eq!(found.collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_program_has_no_image() {
        let refused = of_program("x", Path::new("/nowhere/x")).unwrap_err();
        assert!(refused.to_string().contains("/nowhere/x"), "{refused}");
    }
}
