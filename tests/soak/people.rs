//! What people do: each file has one writer, so that it is known what everybody must hold at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

use super::watchers::Account;

/// How many files each person keeps.
const FILES: u64 = 12;

/// How a file ends that is whole.
const END: &str = "\nthe end of it\n";

/// A file that somebody is still writing.
struct Slow {
    file: File,
    parts: u64,
}

pub(crate) struct People {
    random: u64,
    accounts: Vec<Account>,
    /// What each file is to hold, with its writer; `None` if it was deleted.
    files: BTreeMap<String, (usize, Option<String>)>,
    slow: Option<Slow>,
    slow_text: String,
    edits: u64,
    troubles: u64,
    kills: u64,
}

/// The file that is written slowly.
const SLOW: &str = "news/slow.txt";

impl People {
    pub(crate) fn new(seed: u64, accounts: &[Account]) -> Self {
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self {
            random,
            accounts: accounts.to_vec(),
            files: BTreeMap::new(),
            slow: None,
            slow_text: String::new(),
            edits: 0,
            troubles: 0,
            kills: 0,
        }
    }

    /// Returns a number below `bound`.
    pub(crate) fn chance(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    pub(crate) fn pause_ms(&mut self) -> u64 {
        100 + self.chance(900)
    }

    pub(crate) const fn edits(&self) -> u64 {
        self.edits
    }

    pub(crate) const fn troubles(&self) -> u64 {
        self.troubles
    }

    pub(crate) const fn kills(&self) -> u64 {
        self.kills
    }

    pub(crate) const fn note_trouble(&mut self) {
        self.troubles += 1;
    }

    pub(crate) const fn note_kill(&mut self) {
        self.kills += 1;
    }

    /// Somebody does something.
    pub(crate) fn act(&mut self) {
        if self.slow.is_some() || self.chance(12) == 0 {
            self.write_slowly();
        }
        let who = usize::try_from(self.chance(3)).unwrap();
        let folder = match who {
            0 => "news".to_owned(),
            _ => format!("from-{}", self.accounts[who].email.split('@').next().unwrap()),
        };
        let path = format!("{folder}/{}.txt", self.chance(FILES));
        let place = self.accounts[who].place(&path);
        self.edits += 1;
        if place.exists() && self.chance(6) == 0 {
            std::fs::remove_file(&place).unwrap();
            self.files.insert(path, (who, None));
            return;
        }
        let length = usize::try_from(self.chance(3000)).unwrap();
        let text = format!("{} {}{END}", self.edits, "x".repeat(length));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, &text).unwrap();
        self.files.insert(path, (who, Some(text)));
    }

    /// The owner writes a file part by part, which takes seconds.
    fn write_slowly(&mut self) {
        let place = self.accounts[0].place(SLOW);
        if self.slow.is_none() {
            self.edits += 1;
            self.slow_text = format!("slowly {}\n", self.edits);
            let mut file = File::create(&place).unwrap();
            file.write_all(self.slow_text.as_bytes()).unwrap();
            self.slow = Some(Slow { file, parts: 0 });
            return;
        }
        let slow = self.slow.as_mut().unwrap();
        slow.parts += 1;
        let is_last = slow.parts > 5;
        let part = if is_last { END.to_owned() } else { "y".repeat(2000) };
        slow.file.write_all(part.as_bytes()).unwrap();
        self.slow_text += &part;
        if is_last {
            self.slow = None;
            self.files.insert(SLOW.to_owned(), (0, Some(self.slow_text.clone())));
        }
    }

    /// What others hold of a file is whole, at any moment.
    pub(crate) fn check_whole(&self) {
        for reader in &self.accounts[1..] {
            if let Ok(text) = std::fs::read_to_string(reader.place(SLOW)) {
                assert!(text.ends_with(END), "{} has a half: {} bytes", reader.email, text.len());
            }
        }
    }

    /// Returns what somebody does not hold that should.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (path, (writer, text)) in &self.files {
            // What nobody finished is not waited for.
            if self.slow.is_some() && path == SLOW {
                continue;
            }
            for (number, account) in self.accounts.iter().enumerate() {
                let is_reader = number == 0 || *writer == 0 || number == *writer;
                let held = std::fs::read_to_string(account.place(path)).ok();
                if is_reader && held != *text {
                    let words = |text: &Option<String>| {
                        text.as_ref().map(|text| text.chars().take(12).collect::<String>())
                    };
                    missing.push(format!(
                        "{path} at {}: {:?}, not {:?}",
                        account.email,
                        words(&held),
                        words(text)
                    ));
                }
            }
        }
        missing
    }
}
