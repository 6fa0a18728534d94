//! Container images FROM scratch, built without a container engine: one of our programs and what it
//! loads, as an OCI archive or as the files that the Containerfile copies, each with its bill of
//! materials.

mod archive;
mod contents;
mod digest;
mod libraries;
mod linked;
mod package;
mod sbom;
mod tree;

pub use archive::{Archive, Image, archive};
pub use contents::{ContentsError, of_program};
pub use digest::chart_values;
pub use libraries::{LibrariesError, loaded_by};
pub use linked::{Linked, LinkedError};
pub use sbom::{Subject, sbom};
pub use tree::{PathTooLong, Tree};

/// The programs that have images.
pub const PROGRAMS: [&str; 3] = ["agent", "gateway-server", "operator"];
/// The registry of releases.
pub const REGISTRY: &str = "ghcr.io/spokeway";
/// The user that runs the program. The image has no entry for it.
pub const USER: &str = "65532:65532";

/// The name of a program's image in this release.
pub fn name(registry: &str, program: &str) -> String {
    format!("{registry}/{program}:v{}", env!("CARGO_PKG_VERSION"))
}

/// The image of one of our programs. [`of_program`] returns its files.
pub fn image(registry: &str, program: &str) -> Image {
    Image {
        name: name(registry, program),
        entrypoint: vec![format!("/{program}")],
        user: USER.to_owned(),
        ..Image::default()
    }
}
