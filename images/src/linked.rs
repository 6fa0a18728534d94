//! The crates that are linked into a program, as cargo resolves them for a build of the workspace:
//! no build scripts and no procedural macros, and only for the platform of this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// One line for each crate: how deep it is in the tree, what it is called, and its licence.
const TREE: [&str; 9] = [
    "tree",
    "--workspace",
    "--locked",
    "--edges=normal,no-proc-macro",
    "--charset=ascii",
    "--prefix=depth",
    "--format=|{p}|{l}|",
    "--color=never",
    "--quiet",
];

/// Why the crates of a program are not known.
#[derive(Debug, thiserror::Error)]
pub enum LinkedError {
    /// cargo cannot be run.
    #[error("cannot run {}", cargo.display())]
    Cargo {
        /// The program.
        cargo: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// cargo did not list the crates.
    #[error("cargo tree: {0}")]
    Refused(String),
    /// The lock file cannot be read.
    #[error("cannot read Cargo.lock")]
    Lock(#[source] io::Error),
    /// cargo lists the crates in another way than expected.
    #[error("cargo tree says what is not understood: {0}")]
    Line(String),
    /// The program is not one of the workspace.
    #[error("cargo knows no program {0}")]
    NoProgram(String),
}

/// The name and the version of a crate.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Id {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What is known about a crate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Crate {
    /// The licence as an SPDX expression.
    pub(crate) licence: Option<String>,
    /// The SHA-256 of the file that the registry serves. `None` for crates of the workspace.
    pub(crate) checksum: Option<String>,
    /// The crates that it is linked with directly.
    pub(crate) needs: BTreeSet<Id>,
}

/// The crates of the workspace, and what they are linked with.
#[derive(Clone, Debug, Default)]
pub struct Linked(pub(crate) BTreeMap<Id, Crate>);

impl Linked {
    /// Asks cargo.
    pub fn read(cargo: &Path) -> Result<Self, LinkedError> {
        let mut command = Command::new(cargo);
        let command = command.args(TREE).current_dir(WORKSPACE);
        let output = command.output().map_err(|source| LinkedError::Cargo {
            cargo: cargo.to_owned(),
            source,
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(LinkedError::Refused(said.trim().to_owned()));
        }
        let lock = Path::new(WORKSPACE).join("Cargo.lock");
        let lock = fs::read_to_string(lock).map_err(LinkedError::Lock)?;
        Self::parse(&String::from_utf8_lossy(&output.stdout), &lock)
    }

    /// Reads what `cargo tree` has printed. It prints the needs of a crate only the first time.
    fn parse(tree: &str, lock: &str) -> Result<Self, LinkedError> {
        let checksums = checksums(lock);
        let mut crates = BTreeMap::<Id, Crate>::new();
        let mut path = Vec::<Id>::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let read = read(line).ok_or_else(|| LinkedError::Line(line.to_owned()));
            let (depth, id, licence) = read?;
            path.truncate(depth);
            if let Some(user) = path.last().and_then(|user| crates.get_mut(user)) {
                user.needs.insert(id.clone());
            }
            let known = crates.entry(id.clone()).or_default();
            known.licence = (!licence.is_empty()).then(|| licence.replace('/', " OR "));
            known.checksum = checksums.get(&id).cloned();
            path.push(id);
        }
        Ok(Self(crates))
    }

    /// A program, and everything that is linked into it.
    pub(crate) fn needs_of(&self, program: &str) -> Result<(Id, BTreeSet<Id>), LinkedError> {
        // A crate of the registry may have the same name.
        let mut ours = self.0.iter().filter(|(_, it)| it.checksum.is_none());
        let root = ours.find_map(|(id, _)| (id.name == program).then_some(id));
        let root = root.ok_or_else(|| LinkedError::NoProgram(program.to_owned()))?;
        let mut found = BTreeSet::new();
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if found.insert(id.clone()) {
                open.extend(self.0[id].needs.iter());
            }
        }
        found.remove(root);
        Ok((root.clone(), found))
    }
}

/// Reads `DEPTH|NAME vVERSION (WHERE)|LICENCE|`.
fn read(line: &str) -> Option<(usize, Id, &str)> {
    let mut parts = line.split('|');
    let depth = parts.next()?.parse().ok()?;
    let mut words = parts.next()?.split(' ');
    let id = Id {
        name: words.next()?.to_owned(),
        version: words.next()?.strip_prefix('v')?.to_owned(),
    };
    Some((depth, id, parts.next()?))
}

/// The checksums in a Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let packages = lock.split("[[package]]").skip(1);
    let read = packages.filter_map(|package| {
        let field = |name: &str| {
            let mut lines = package.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            value.map(|value| value.trim_matches('"').to_owned())
        };
        let id = Id {
            name: field("name")?,
            version: field("version")?,
        };
        Some((id, field("checksum")?))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
0|agent v0.1.0 (/src/agent)|Apache-2.0|
1|bytes v1.2.0|MIT/Apache-2.0|
1|tunnel v0.1.0 (/src/tunnel)|Apache-2.0|
2|bytes v1.2.0|MIT/Apache-2.0|
2|h2 v0.4.1|MIT|
3|http v1.0.0||

0|operator v0.1.0 (/src/operator)|Apache-2.0|
1|h2 v0.4.1|MIT| (*)
1|bytes v2.0.0|MIT|

0|tunnel v0.1.0 (/src/tunnel)|Apache-2.0| (*)
";
    const LOCK: &str = "\
version = 4

[[package]]
name = \"agent\"
version = \"0.1.0\"

[[package]]
name = \"bytes\"
version = \"1.2.0\"
source = \"registry+x\"
checksum = \"aa\"

[[package]]
name = \"bytes\"
version = \"2.0.0\"
checksum = \"bb\"
";

    fn names(ids: &BTreeSet<Id>) -> Vec<String> {
        let name = |id: &Id| format!("{}@{}", id.name, id.version);
        ids.iter().map(name).collect()
    }

    #[test]
    fn a_program_has_what_it_needs_and_what_that_needs() {
        let linked = Linked::parse(LISTED, LOCK).unwrap();
        let (agent, needed) = linked.needs_of("agent").unwrap();
        assert_eq!(agent.version, "0.1.0");
        let all = ["bytes@1.2.0", "h2@0.4.1", "http@1.0.0", "tunnel@0.1.0"];
        assert_eq!(names(&needed), all);
        // Its needs were printed below the agent.
        let (_, needed) = linked.needs_of("operator").unwrap();
        assert_eq!(names(&needed), ["bytes@2.0.0", "h2@0.4.1", "http@1.0.0"]);
        assert!(linked.needs_of("nothing").is_err());
    }

    #[test]
    fn a_crate_has_its_licence_and_the_checksum_of_its_version() {
        let linked = Linked::parse(LISTED, LOCK).unwrap();
        let of = |name: &str, version: &str| {
            let (name, version) = (name.to_owned(), version.to_owned());
            linked.0[&Id { name, version }].clone()
        };
        let bytes = of("bytes", "1.2.0");
        assert_eq!(bytes.checksum.as_deref(), Some("aa"));
        assert_eq!(bytes.licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(of("bytes", "2.0.0").checksum.as_deref(), Some("bb"));
        assert_eq!(of("agent", "0.1.0").checksum, None);
        assert_eq!(of("http", "1.0.0").licence, None);
    }

    #[test]
    fn another_form_of_the_list_is_refused() {
        let refused = Linked::parse("agent v0.1.0", LOCK).unwrap_err();
        assert!(refused.to_string().contains("agent v0.1.0"), "{refused}");
    }
}
