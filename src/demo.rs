//! stub
use crate::exit::Exit;
#[derive(Debug)]
pub struct Error;
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stub")
    }
}
impl Error {
    pub fn exit_code(&self) -> Exit {
        Exit::Bug
    }
}
pub fn run(_: bool) -> Result<(), Error> {
    Err(Error)
}
