//! Writes the images of the programs that were built beside this one, and beside each image its bill
//! of materials.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Parser;
use images::{
    Linked, PROGRAMS, REGISTRY, Subject, Tree, archive, chart_values, image, name, of_program, sbom,
};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask images")]
struct Args {
    /// Directory to write to; it is made where there is none
    #[arg(long, value_name = "DIRECTORY", default_value = "target/images")]
    out: PathBuf,
    /// Registry and path that the images are named by
    #[arg(long, value_name = "PATH", default_value = REGISTRY)]
    registry: String,
    /// Not archives, but a directory with the files of each image
    #[arg(long)]
    unpacked: bool,
    /// The cargo that says which crates are linked into each program
    #[arg(long, env = "CARGO", value_name = "PROGRAM", default_value = "cargo")]
    cargo: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Args {
        out,
        registry,
        unpacked,
        cargo,
    } = Args::parse();
    let own = std::env::current_exe()?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let linked = Linked::read(&cargo)?;
    let mut digests = Vec::new();
    for program in PROGRAMS {
        let files = of_program(program, &own.with_file_name(program))?;
        let name = name(&registry, program);
        let digest = if unpacked {
            unpack(&files, &out.join(program), &name)?;
            None
        } else {
            let archive = archive(&files, &[image(&registry, program)]);
            write(&out.join(format!("{program}.tar")), &archive.bytes, &name)?;
            archive.digests.into_iter().next()
        };
        let subject = Subject {
            program,
            image: &name,
            digest: digest.as_deref(),
        };
        let bill = format!("{:#}\n", sbom(subject, &files, &linked)?);
        let what = format!("bill of materials of {program}");
        write(
            &out.join(format!("{program}.cdx.json")),
            bill.as_bytes(),
            &what,
        )?;
        digests.extend(digest.map(|digest| (program, digest)));
    }
    if !unpacked {
        let values = chart_values(&digests);
        write(
            &out.join("digests.yaml"),
            values.as_bytes(),
            "values for the chart",
        )?;
    }
    Ok(())
}

fn unpack(files: &Tree, to: &Path, what: &str) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    files.unpack(to)?;
    tell(what, to)
}

fn write(to: &Path, content: &[u8], what: &str) -> anyhow::Result<()> {
    fs::write(to, content).with_context(|| format!("cannot write {}", to.display()))?;
    tell(what, to)
}

fn tell(what: &str, to: &Path) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{what:<44} {}", to.display())?;
    Ok(())
}
