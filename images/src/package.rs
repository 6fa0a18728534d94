//! The package of the system that a file comes from, if Debian's package manager knows it.

use std::{fs, process::Command};

/// A package.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The address by which scanners look for its known faults.
    pub(crate) purl: String,
}

impl Package {
    /// The package that owns the file at this path, which may be below `/usr` in the package.
    pub(crate) fn owner_of(path: &str) -> Option<Self> {
        let below_usr = format!("/usr{path}");
        let search = |path| ask(&["--search", path]);
        let owner = search(path).or_else(|| search(&below_usr))?;
        let (owner, _) = owner.split_once(": ")?;
        let format = "--showformat=${Package} ${Version} ${Architecture}";
        let shown = ask(&["--show", format, owner])?;
        Self::read(&shown, &fs::read_to_string("/etc/os-release").ok()?)
    }

    fn read(shown: &str, release: &str) -> Option<Self> {
        let mut words = shown.trim().split(' ');
        let (name, version) = (words.next()?, words.next()?);
        let architecture = words.next()?;
        let mut lines = release.lines();
        let distribution = lines.find_map(|line| line.strip_prefix("ID="))?;
        let distribution = distribution.trim_matches('"');
        let escaped = escaped(version);
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            purl: format!("pkg:deb/{distribution}/{name}@{escaped}?arch={architecture}"),
        })
    }
}

/// Text as a part of a package URL.
pub(crate) fn escaped(text: &str) -> String {
    [
        ("%", "%25"),
        ("+", "%2B"),
        (":", "%3A"),
        ("/", "%2F"),
        ("@", "%40"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn ask(args: &[&str]) -> Option<String> {
    let output = Command::new("dpkg-query").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_an_address() {
        let release = "PRETTY_NAME=\"Debian\"\nID=debian\n";
        let package = Package::read("libc6 1:2.36-9+deb12u9 amd64", release).unwrap();
        assert_eq!(package.version, "1:2.36-9+deb12u9");
        assert_eq!(
            package.purl,
            "pkg:deb/debian/libc6@1%3A2.36-9%2Bdeb12u9?arch=amd64"
        );
    }

    #[test]
    fn a_file_of_nobody_has_no_package() {
        assert_eq!(Package::owner_of("/nowhere"), None);
        assert_eq!(Package::read("libc6", "ID=debian"), None);
    }
}
