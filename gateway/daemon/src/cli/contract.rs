//! `gatehouse contract`: what is said between a gateway and its district, for who builds on it.

use std::process::ExitCode;

use gatehouse_core::contract::document;
use gatehouse_core::contract::{MESSAGES, Way, message};
use gatehouse_core::topic::ROOT;

use super::{EX_USAGE, output};

#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct ContractArgs {
    /// Print the AsyncAPI document; so does no option at all.
    #[arg(long)]
    asyncapi: bool,
    /// Print the JSON Schema of one message.
    #[arg(long, value_name = "MESSAGE")]
    schema: Option<String>,
    /// List the messages: name, way, quality of service, whether retained, topic.
    #[arg(long)]
    list: bool,
}

pub(super) fn contract(args: &ContractArgs) -> ExitCode {
    if args.list {
        output::print(&list());
        return ExitCode::SUCCESS;
    }
    let Some(name) = &args.schema else {
        output::print(&document::asyncapi());
        return ExitCode::SUCCESS;
    };
    let Some(message) = message(name) else {
        let names: Vec<_> = MESSAGES.iter().map(|message| message.name).collect();
        output::eprint(&format!(
            "error: the contract has no message {name:?}\nhint: it has {}\n",
            names.join(", ")
        ));
        return ExitCode::from(EX_USAGE);
    };
    output::print(&document::schema_text(message));
    ExitCode::SUCCESS
}

fn list() -> String {
    let row = |message: &gatehouse_core::contract::Message| {
        let way = match message.way {
            Way::Up => "up",
            Way::Down => "down",
        };
        let retained = if message.retain { "retained" } else { "-" };
        let (name, qos, topic) = (message.name, message.qos, message.topic);
        format!("{name:<14} {way:<4}  {qos}  {retained:<8}  {ROOT}/{topic}\n")
    };
    MESSAGES.iter().map(row).collect()
}
