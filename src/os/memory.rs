//! How much memory the daemon keeps.
//!
//! Owns two requests to the allocator, and one to the kernel about the pages of the program itself. Called by
//! the daemon at its start, and by the process that starts programs. They cannot fail; where the allocator
//! knows no such thing nothing happens, and what the kernel refuses stays where it is.

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::raw;

/// Larger than anything that is needed for one advert or one takeover.
const LARGE: i32 = 128 << 10;

/// From here on what is large goes back to the kernel as soon as it is freed: a file that was parsed, a
/// snapshot that was written. To be called before anything large is allocated.
pub fn keep_nothing_large() {
    raw::map_blocks_from(LARGE);
}

/// What was freed until now goes back. To be called when the start has what it needs, and before memory is
/// locked: what is locked cannot be given back.
pub fn give_back() {
    raw::trim_heap();
}

/// The pages of the program that were used until now leave this process. Each that is used again comes back out
/// of the kernel's cache, with its neighbours. For a process that has little to do and is in no hurry: in the
/// daemon itself they would be missed at the next takeover, by some hundredths of a millisecond.
pub fn forget_the_program() {
    for file in &untouched_files() {
        raw::drop_pages(file);
    }
}

/// A part of this process's memory, of a file, to be read or executed, and as it is in the file: what is in memory
/// of it is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Program and libraries, but not what the loader has written their addresses into.
fn untouched_files() -> Vec<Mapping> {
    // Without /proc there is none, and everything stays where it is.
    let lines = File::open("/proc/self/smaps").map(|file| BufReader::new(file).lines());
    read_only_files(lines.into_iter().flatten().map_while(Result::ok))
}

/// What is written of a mapping follows on the line that begins it: `55eb1507e000-55eb151c8000 r--p 00000000
/// fe:00 1234 /usr/sbin/buoy`, and later `Anonymous: 0 kB`, the part of it that is no copy of the file any more, and
/// `Swap: 0 kB`, what was that and is not in memory.
fn read_only_files(lines: impl Iterator<Item = String>) -> Vec<Mapping> {
    let mut found = Vec::new();
    let mut current = None;
    for line in lines {
        if let Some((is_read_only_file, mapping)) = beginning(&line) {
            current = is_read_only_file.then_some(mapping);
        } else if let Some(size) = line.strip_prefix("Anonymous:") {
            current = current.filter(|_| size.trim() == "0 kB");
        } else if let Some(size) = line.strip_prefix("Swap:") {
            found.extend(current.take().filter(|_| size.trim() == "0 kB"));
        }
    }
    found
}

/// The mapping that begins with this line, and whether it is of a file and can only be read or executed.
fn beginning(line: &str) -> Option<(bool, Mapping)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    let permissions = words.next()?;
    let inode = words.nth(2)?;
    let is_read_only_file = matches!(permissions, "r--p" | "r-xp") && inode != "0";
    let length = end.checked_sub(start)?;
    Some((is_read_only_file, Mapping { start, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program, its constants, its addresses and its variables; a heap; the kernel's own page.
    const SMAPS: &str = "\
1000-5000 r--p 00000000 fe:00 1234                       /usr/sbin/buoy
Size:                 16 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd
5000-9000 r-xp 00004000 fe:00 1234                       /usr/sbin/buoy
Size:                 16 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me sd
9000-a000 r--p 00008000 fe:00 1234                       /usr/sbin/buoy
Anonymous:             4 kB
Swap:                  0 kB
VmFlags: rd mr mw me ac sd
a000-b000 rw-p 00009000 fe:00 1234                       /usr/sbin/buoy
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd wr mr mw me ac sd
b000-c000 rw-p 00000000 00:00 0                          [heap]
Anonymous:             0 kB
Swap:                  0 kB
c000-d000 r--s 00000000 fe:00 99                         /dev/shm/shared
Anonymous:             0 kB
Swap:                  0 kB
d000-e000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
Swap:                  0 kB
e000-f000 r--p 00008000 fe:00 1234                       /usr/lib/libc.so.6
Anonymous:             0 kB
Swap:                  4 kB
";

    #[test]
    fn what_is_as_it_is_in_its_file_can_go_and_nothing_else() {
        let found = read_only_files(SMAPS.lines().map(str::to_owned));
        let mapping = |start, length| Mapping { start, length };
        assert_eq!(found, [mapping(0x1000, 0x4000), mapping(0x5000, 0x4000)]);
    }

    #[test]
    fn a_process_that_forgot_its_program_goes_on() {
        let program = untouched_files().into_iter().next();
        let program = program.expect("this program is a file that is mapped");
        forget_the_program();
        assert!(untouched_files().contains(&program));
    }
}
