//! Writes the images of the programs that were built beside this one.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;
use images::{PROGRAMS, REGISTRY, archive, image, of_program};

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
}

fn main() -> anyhow::Result<()> {
    let Args {
        out,
        registry,
        unpacked,
    } = Args::parse();
    let own = std::env::current_exe()?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut stdout = std::io::stdout().lock();
    for program in PROGRAMS {
        let files = of_program(program, &own.with_file_name(program))?;
        let to = if unpacked {
            let to = out.join(program);
            fs::create_dir(&to).with_context(|| format!("cannot make {}", to.display()))?;
            files.unpack(&to)?;
            to
        } else {
            let to = out.join(format!("{program}.tar"));
            let archive = archive(&files, &[image(&registry, program)]);
            fs::write(&to, archive).with_context(|| format!("cannot write {}", to.display()))?;
            to
        };
        let name = images::name(&registry, program);
        writeln!(stdout, "{name:<44} {}", to.display())?;
    }
    Ok(())
}
