//! `gatehouse diag`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{ConfigArg, EX_NOPERM, EX_SOFTWARE, output};
use crate::diag::{Extent, gather};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct DiagArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The file to write, which must not be there yet; otherwise gatehouse-diag-TIME.tar in this folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The newest N events, at most.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    events: usize,
    /// The newest N lines of the log, at most; 0: none.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    log_lines: usize,
}

pub(super) fn diag(args: &DiagArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let extent = Extent { events: args.events, log_lines: args.log_lines };
    let bundle = match runtime {
        Ok(runtime) => runtime.block_on(gather(&args.config.config, extent)),
        Err(error) => {
            output::eprint(&format!("error: {error}\n"));
            return ExitCode::from(EX_SOFTWARE);
        }
    };
    let path = args.output.clone().unwrap_or_else(|| bundle.file_name().into());
    let bytes = bundle.tar();
    // Whoever runs it decides who reads it.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(&bytes)) {
        output::eprint(&format!(
            "error: {}: {error}\nhint: name a file that is not there yet, in a folder that you may write to: \
             --output /tmp/box.tar\n",
            path.display()
        ));
        return ExitCode::from(EX_NOPERM);
    }
    output::print(&format!(
        "{}\n{}: {} bytes. Look into it before you send it: tar -xf\n",
        bundle.manifest(),
        path.display(),
        bytes.len()
    ));
    ExitCode::SUCCESS
}
