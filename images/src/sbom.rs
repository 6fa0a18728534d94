//! The bill of materials of an image in `CycloneDX` 1.5: the program, the crates that are linked
//! into it, and the other files with the packages that they come from. The same input gives the same
//! bytes, so it has no time and no serial number.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    digest::sha256,
    linked::{Crate, Id, Linked, LinkedError},
    package::{Package, escaped},
    tree::Tree,
};

/// What a bill of materials is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The program, which is the file of that name in the image.
    pub program: &'a str,
    /// The name of the image with its tag.
    pub image: &'a str,
    /// The digest of the image's manifest, if the image was made.
    pub digest: Option<&'a str>,
}

/// The bill of materials of an image with these files.
pub fn sbom(subject: Subject<'_>, files: &Tree, linked: &Linked) -> Result<Value, LinkedError> {
    let (program, needed) = linked.needs_of(subject.program)?;
    let mut components = vec![application(&program, &linked.0[&program], files)];
    components.extend(needed.iter().map(|id| library(id, &linked.0[id])));
    components.extend(system(subject.program, files, Package::owner_of));
    let mut dependencies = vec![json!({"ref": "image", "dependsOn": [reference(&program)]})];
    for id in [&program].into_iter().chain(&needed) {
        let needs: Vec<_> = linked.0[id].needs.iter().map(reference).collect();
        dependencies.push(json!({"ref": reference(id), "dependsOn": needs}));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": image(subject)},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn image(Subject { image, digest, .. }: Subject<'_>) -> Value {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let mut component =
        json!({"type": "container", "bom-ref": "image", "name": name, "version": tag});
    if let Some(digest) = digest {
        let short = name.rsplit('/').next().unwrap_or(name);
        let (digest, name) = (escaped(digest), escaped(name));
        component["purl"] =
            format!("pkg:oci/{short}@{digest}?repository_url={name}&tag={tag}").into();
    }
    component
}

fn application(id: &Id, known: &Crate, files: &Tree) -> Value {
    let mut component = library(id, known);
    component["type"] = "application".into();
    let file = files.files().find(|(path, _)| *path == id.name);
    if let Some((_, content)) = file {
        component["hashes"] = hashes(&sha256(content));
    }
    component
}

/// A crate. Crates of the workspace have no package URL, because those of the registry with the same
/// names are others.
fn library(id: &Id, known: &Crate) -> Value {
    let Id { name, version } = id;
    let mut component = json!({
        "type": "library", "bom-ref": reference(id), "name": name, "version": version,
    });
    if let Some(licence) = &known.licence {
        component["licenses"] = json!([{"expression": licence}]);
    }
    if let Some(checksum) = &known.checksum {
        component["hashes"] = hashes(checksum);
        component["purl"] = format!("pkg:cargo/{name}@{}", escaped(version)).into();
    }
    component
}

/// The other files of the image, below the packages that they come from.
fn system(
    program: &str,
    files: &Tree,
    owner_of: impl Fn(&str) -> Option<Package>,
) -> impl Iterator<Item = Value> {
    let mut owners = BTreeMap::<Option<Package>, Vec<Value>>::new();
    for (path, content) in files.files().filter(|(path, _)| *path != program) {
        let path = format!("/{path}");
        let file = json!({"type": "file", "name": path, "hashes": hashes(&sha256(content))});
        owners.entry(owner_of(&path)).or_default().push(file);
    }
    owners.into_iter().flat_map(|(owner, files)| match owner {
        None => files,
        Some(Package {
            name,
            version,
            purl,
        }) => vec![json!({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "components": files,
        })],
    })
}

fn reference(id: &Id) -> String {
    format!("{}@{}", id.name, id.version)
}

fn hashes(sha256: &str) -> Value {
    json!([{"alg": "SHA-256", "content": sha256}])
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    /// The crates of the workspace that programs name.
    const OURS: [&str; 4] = ["crds", "kubernetes", "runtime", "tunnel"];

    fn id(name: &str) -> Id {
        Id {
            name: name.to_owned(),
            version: "1.0.0+x".to_owned(),
        }
    }

    fn linked() -> Linked {
        let known = |checksum: Option<&str>, needs: &[&str]| Crate {
            licence: Some("MIT OR Apache-2.0".to_owned()),
            checksum: checksum.map(str::to_owned),
            needs: needs.iter().map(|name| id(name)).collect(),
        };
        let crates = [
            ("tool", known(None, &["bytes"])),
            ("bytes", known(Some("aa"), &[])),
            ("other", known(Some("bb"), &[])),
        ];
        Linked(crates.map(|(name, known)| (id(name), known)).into())
    }

    fn files() -> Tree {
        let mut files = Tree::default();
        files.file("tool", 0o755, b"#!".to_vec()).unwrap();
        files.file("lib/libc.so.6", 0o755, b"c".to_vec()).unwrap();
        files
            .file("etc/nsswitch.conf", 0o644, b"n".to_vec())
            .unwrap();
        files
    }

    #[test]
    fn it_names_the_image_its_program_and_what_is_linked_into_it() {
        let subject = Subject {
            program: "tool",
            image: "local:5000/x/tool:v1",
            digest: Some("sha256:cc"),
        };
        let bill = sbom(subject, &files(), &linked()).unwrap();
        let subject = &bill["metadata"]["component"];
        assert_eq!(
            subject["purl"],
            "pkg:oci/tool@sha256%3Acc?repository_url=local%3A5000%2Fx%2Ftool&tag=v1"
        );
        let tool = &bill["components"][0];
        assert_eq!(tool["type"], "application");
        assert_eq!(tool["hashes"], hashes(&sha256(b"#!")));
        assert!(tool["purl"].is_null());
        let bytes = json!({
            "type": "library", "bom-ref": "bytes@1.0.0+x", "name": "bytes", "version": "1.0.0+x",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "hashes": [{"alg": "SHA-256", "content": "aa"}], "purl": "pkg:cargo/bytes@1.0.0%2Bx",
        });
        assert_eq!(bill["components"][1], bytes);
        assert!(!bill.to_string().contains("other@"), "{bill}");
        let needs = json!({"ref": "tool@1.0.0+x", "dependsOn": ["bytes@1.0.0+x"]});
        assert_eq!(bill["dependencies"][1], needs);
    }

    #[test]
    fn files_are_below_the_package_that_they_come_from() {
        let owner_of = |path: &str| {
            (path == "/lib/libc.so.6").then(|| Package {
                name: "libc6".to_owned(),
                version: "2".to_owned(),
                purl: "pkg:deb/debian/libc6@2".to_owned(),
            })
        };
        let all: Vec<_> = system("tool", &files(), owner_of).collect();
        let file = |path: &str, content: &[u8]| json!({"type": "file", "name": path, "hashes": hashes(&sha256(content))});
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0], file("/etc/nsswitch.conf", b"n"));
        assert_eq!(all[1]["purl"], "pkg:deb/debian/libc6@2");
        assert_eq!(all[1]["components"], json!([file("/lib/libc.so.6", b"c")]));
    }

    /// What cargo says of this workspace is understood.
    #[test]
    fn each_crate_of_our_programs_has_a_licence_and_a_checksum() {
        let linked = Linked::read(Path::new(env!("CARGO"))).unwrap();
        for program in crate::PROGRAMS {
            let (_, needed) = linked.needs_of(program).unwrap();
            let names: BTreeSet<_> = needed.iter().map(|id| id.name.as_str()).collect();
            assert!(
                names.contains("tokio") && names.contains("rustls"),
                "{names:?}"
            );
            // Linked into tests, at build time, and into the compiler.
            for other in ["proptest", "insta", "cc", "serde_derive"] {
                assert!(!names.contains(other), "{program}: {other}");
            }
            for id in &needed {
                let known = &linked.0[id];
                assert!(known.licence.is_some(), "{id:?}");
                let is_ours = OURS.contains(&id.name.as_str());
                assert_eq!(known.checksum.is_none(), is_ours, "{id:?}");
            }
        }
    }
}
