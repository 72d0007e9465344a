//! Serves a data folder until it is ended: `serve DATA [--admin] [ACCOUNT=TOKEN …]`. The URL is
//! the first line on stdout.
#![expect(clippy::print_stdout, reason = "the URL is what this example is for")]

use std::{env, error::Error, io::Write as _};

use drive_server::{Options, add_account, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut options = Options::new(arguments.next().ok_or("no data folder")?);
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--log", path)) => options.log = Some(path.into()),
            Some(("--listen", address)) => options.listen = address.parse()?,
            Some((email, token)) => drop(add_account(&options.data, email, Some(token))?),
            None => options.admin = argument == "--admin",
        }
    }
    let server = serve(options).await?;
    println!("{}", server.url());
    std::io::stdout().flush()?;
    server.stopped().await;
    Ok(())
}
