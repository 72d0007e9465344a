//! An owner whose packages come from a folder, so that nothing needs a network.

use std::path::{Path, PathBuf};

use syft::jobs::{
    Confinement, EnvironmentCache, InstallSettings, InstalledPackage, JobKind, RunOptions,
    RunReport,
};
use syft::model::Digest;

use crate::world::{World, id, options, path, read, sandbox, write};

/// Makes wheels of Python modules: (name, version, text, what it needs).
pub(crate) fn make_wheels(folder: &Path, wheels: &[(&str, &str, &str, &str)]) {
    const SCRIPT: &str = "import sys, zipfile\n\
        folder, name, version, text, needs = sys.argv[1:]\n\
        z = zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w')\n\
        d = f'{name}-{version}.dist-info/'\n\
        m = f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n'\n\
        m += f'Requires-Dist: {needs}\\n' if needs else ''\n\
        z.writestr(f'{name}.py', text)\n\
        z.writestr(d + 'METADATA', m)\n\
        z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr(d + 'RECORD', f'{name}.py,,\\n{d}METADATA,,\\n{d}WHEEL,,\\n{d}RECORD,,\\n')\n\
        z.close()\n";
    std::fs::create_dir_all(folder).unwrap();
    for (name, version, text, needs) in wheels {
        let mut command = std::process::Command::new("python3");
        command.args(["-c", SCRIPT]).arg(folder).args([name, version, text, needs]);
        assert!(command.status().unwrap().success());
    }
}

/// Where `uv` is.
fn uv() -> Option<PathBuf> {
    let named = std::env::var_os("SYFT_UV").map(PathBuf::from);
    let found =
        || std::env::split_paths(&path()).map(|folder| folder.join("uv")).find(|uv| uv.is_file());
    named.or_else(found)
}

/// The path for programs without `uv`.
fn without_uv() -> Vec<PathBuf> {
    std::env::split_paths(&path()).filter(|folder| !folder.join("uv").exists()).collect()
}

/// An owner whose packages come from a folder.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) wheels: PathBuf,
    pub(crate) options: RunOptions,
}

impl Shop {
    pub(crate) async fn with_pip() -> Option<Self> {
        let path = std::env::join_paths(without_uv()).unwrap().into_string().unwrap();
        Some(Self::new(sandbox().await?, &path))
    }

    #[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
    pub(crate) async fn with_uv() -> Option<Self> {
        let Some(uv) = uv() else {
            eprintln!("!!! NOT TESTED: no uv in SYFT_UV or on the path, so only pip was !!!");
            return None;
        };
        let folders = [vec![uv.parent().unwrap().to_owned()], without_uv()].concat();
        let path = std::env::join_paths(folders).unwrap().into_string().unwrap();
        Some(Self::new(sandbox().await?, &path))
    }

    fn new(confinement: Confinement, path: &str) -> Self {
        let world = World::in_memory();
        let wheels = world.home.path().join("wheels/of/owner");
        make_wheels(
            &wheels,
            &[
                ("tinypkg", "1.0", "import tinydep\nANSWER = 42\n", "tinydep"),
                ("tinydep", "1.5", "", ""),
            ],
        );
        let switches = ["PIP_NO_INDEX", "UV_NO_INDEX", "UV_OFFLINE"];
        let folders = ["PIP_FIND_LINKS", "UV_FIND_LINKS"];
        let switches = switches.map(|name| (name.into(), "1".into()));
        let folders = folders.map(|name| (name.into(), wheels.clone().into_os_string()));
        let variables = switches.into_iter().chain(folders).collect();
        let install = InstallSettings { variables, ..InstallSettings::default() };
        let options = RunOptions { install, path: path.to_owned(), ..options(confinement) };
        Self { world, wheels, options }
    }

    pub(crate) fn submit(&self, name: &str, code: &str, packages: &[&str]) {
        let main = self.world.home.path().join("scientist/main.py");
        write(&main, code);
        let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        self.world.submit_path(name, JobKind::Python, &main, &packages, None);
    }

    /// Submits, approves and runs a job, and returns its report and what it and installers printed.
    pub(crate) async fn run(
        &self,
        name: &str,
        code: &str,
        packages: &[&str],
    ) -> (RunReport, String) {
        self.submit(name, code, packages);
        let report = self.world.run(name, &self.options).await;
        (report, self.log(name))
    }

    pub(crate) fn log(&self, name: &str) -> String {
        let left = self.world.left(name);
        read(&left.join("stderr.txt")) + &read(&left.join("stdout.txt"))
    }

    pub(crate) fn cache(&self) -> EnvironmentCache {
        EnvironmentCache::new(&self.world.home.path().join("config"))
    }

    /// The folders of all environments, complete or not.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.world.home.path().join("config/environments")).unwrap();
        let all = all.map(|entry| entry.unwrap().path());
        let is_other = |path: &PathBuf| path.ends_with("requests") || path.ends_with("tools");
        all.filter(|path| path.is_dir() && !is_other(path)).collect()
    }

    /// What was installed for a job: no installer among it.
    pub(crate) fn installed(&self, name: &str) -> Vec<InstalledPackage> {
        let record = self.world.store.last_run(&id(name)).unwrap();
        record.environment.unwrap().packages
    }

    pub(crate) fn sha256(&self, wheel: &str) -> String {
        let path = self.wheels.join(format!("{wheel}-py3-none-any.whl"));
        format!("sha256:{}", Digest::of(&std::fs::read(path).unwrap()).to_hex())
    }
}

/// What a job prints that got the older one of two packages.
pub(crate) const PRINT: &str = "import tinypkg\nprint(tinypkg.ANSWER)\n";
