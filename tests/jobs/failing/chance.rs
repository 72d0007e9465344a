//! Random failures as Python programs print them, and as a job would print that wants to say more.

use std::fmt::Write as _;
use std::time::Duration;

use syft::jobs::Ending;

/// What is private. None has four characters in a row that a report could hold by chance.
pub(crate) const CANARIES: [&str; 6] = [
    "Zq7XkJw9Qz",
    "QXJZ_WKVQ",
    "8800553535",
    "/QzXj/WvKq.csv",
    "\u{416}\u{44f}\u{4e2d}\u{6587}",
    "\u{1b}]0;JxQzW\u{7}",
];

/// A run that failed.
pub(crate) struct Failing {
    pub(crate) stderr: Vec<u8>,
    pub(crate) ending: Ending,
    pub(crate) duration: Duration,
    pub(crate) memory: Option<u64>,
}

/// Returns what of the canaries, whole or four characters of one, is in `text`.
pub(crate) fn canaries_in(text: &str) -> Vec<String> {
    let parts = CANARIES.iter().flat_map(|canary| {
        let chars: Vec<char> = canary.chars().collect();
        chars.windows(4).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>()
    });
    parts.filter(|part| text.contains(part.as_str())).collect()
}

/// The generator of Steele, Lea and Flood, "SplitMix": a run follows from its number.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn is(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn canary(&mut self) -> &'static str {
        self.pick(&CANARIES)
    }

    fn path(&mut self) -> String {
        const AT: &str = "/syftbox/do@example.com/app_data/job/inbox/ds@example.com";
        let canary = self.canary();
        match self.below(10) {
            0..3 => format!("{AT}/job/code/main.py"),
            3 => format!("{AT}/v1/job/code/lib/util.py"),
            4 => "main.py".to_owned(),
            5 => "code/lib/util.py".to_owned(),
            6 => format!("{AT}/job/code/{canary}.py"),
            7 => format!("{AT}/{canary}/main.py"),
            8 => format!("/usr/lib/python3/{canary}.py"),
            _ => format!("<{canary}>"),
        }
    }

    fn line(&mut self) -> String {
        match self.below(8) {
            0..5 => self.below(130).to_string(),
            5 => "8800553535".to_owned(),
            6 => format!("99999999999999999{}", self.below(100)),
            _ => self.canary().to_owned(),
        }
    }

    fn message(&mut self) -> String {
        let canary = self.canary();
        match self.below(9) {
            0 => String::new(),
            1 => format!(": {canary}"),
            2 => format!(": invalid literal for int() with base 10: '{canary}'"),
            3 => format!(": {canary}\n{canary}\n  File \"main.py\", line {canary}\n"),
            4 => format!(": {}", canary.repeat(500)),
            5 => format!(": \u{1b}[31m{canary}\u{1b}[0m\r{canary}"),
            6 => format!(":{canary}: {canary}: ValueError"),
            7 => format!("\n  + {canary}"),
            _ => format!(": {canary}\nTraceback (most recent call last): {canary}"),
        }
    }

    fn exception(&mut self) -> String {
        let canary = self.canary();
        match self.below(10) {
            0..4 => self
                .pick(&["ValueError", "KeyError", "TypeError", "MemoryError", "OSError"])
                .to_owned(),
            4 => "json.decoder.JSONDecodeError".to_owned(),
            5 => format!("pandas.{canary}.ParserError"),
            6 => format!("numpy.{canary}"),
            7 => format!("{canary}.ValueError"),
            8 => canary.to_owned(),
            _ => format!("__main__.{canary}"),
        }
    }

    fn frames(&mut self, margin: &str) -> String {
        let mut text = String::new();
        for _ in 0..self.below(5) {
            let (path, line, canary) = (self.path(), self.line(), self.canary());
            let tail = self.pick(&[", in <module>", "", ", in Zq7XkJw9Qz", " Zq7XkJw9Qz"]);
            let _ = writeln!(text, "{margin}  File \"{path}\", line {line}{tail}");
            if !self.is(4) {
                let _ = writeln!(text, "{margin}    x = {canary}\n{margin}        ^^^^");
            }
            if self.is(6) {
                let _ = writeln!(text, "{margin}  [Previous line repeated {canary} more times]");
            }
        }
        text
    }

    fn traceback(&mut self) -> String {
        let mut text = "Traceback (most recent call last):\n".to_owned();
        text += &self.frames("");
        let (exception, message) = (self.exception(), self.message());
        let _ = writeln!(text, "{exception}{message}");
        text
    }

    fn part(&mut self) -> String {
        let canary = self.canary();
        match self.below(10) {
            0..4 => self.traceback(),
            4 => {
                let first = self.traceback();
                let link = self.pick(&[
                    "\nDuring handling of the above exception, another exception occurred:\n\n",
                    "\nThe above exception was the direct cause of the following exception:\n\n",
                ]);
                first + link + &self.traceback()
            }
            5 => {
                let frames = self.frames("  | ");
                let (message, inner) = (self.message(), self.traceback());
                let inner: String = inner.lines().map(|line| format!("    | {line}\n")).collect();
                format!(
                    "  + Exception Group Traceback (most recent call last):\n{frames}  | \
                     ExceptionGroup{message}\n  +-+---------------- {canary} ----------------\n{inner}"
                )
            }
            6 => {
                let (path, line) = (self.path(), self.line());
                let kind = self.pick(&["SyntaxError", "IndentationError", "TabError"]);
                format!(
                    "  File \"{path}\", line {line}\n    {canary} = =\n    ^^^\n{kind}: {canary}\n"
                )
            }
            7 => format!("Exception in thread {canary}:\n{}", self.traceback()),
            8 => format!("main.py:3: UserWarning: {canary}\n  warn({canary})\n"),
            _ => format!("{canary}\r\n{}\n", canary.repeat(30)),
        }
    }
}

impl Failing {
    /// The failure of that number.
    pub(crate) fn random(number: u64) -> Self {
        let mut chance = Chance(number);
        let mut stderr = format!("reading {}\n", chance.canary()).into_bytes();
        for _ in 0..=chance.below(3) {
            if chance.is(10) {
                stderr.extend([0xff, 0xfe, 0x00, 0xc3]); // no text in any encoding
            }
            if chance.is(400) {
                stderr.extend(b"QXJZ_WKVQ ".repeat(60_000));
            }
            let mut part = chance.part().into_bytes();
            if chance.is(12) && !part.is_empty() {
                // A byte is another.
                let at = usize::try_from(chance.below(part.len() as u64)).unwrap();
                part[at] = u8::try_from(chance.below(256)).unwrap();
            }
            if chance.is(20) {
                part.truncate(usize::try_from(chance.below(part.len() as u64 + 1)).unwrap());
            }
            stderr.extend(part);
        }
        let ending = if chance.is(8) { chance.pick(&Ending::ALL) } else { Ending::Error };
        let duration = Duration::from_millis(chance.below(2_000_000));
        let memory = chance.is(2).then(|| 880_055_353_500 >> chance.below(20));
        Self { stderr, ending, duration, memory }
    }

    /// True if there is something that could leak.
    pub(crate) fn holds_canaries(&self) -> bool {
        !canaries_in(&String::from_utf8_lossy(&self.stderr)).is_empty()
    }
}
