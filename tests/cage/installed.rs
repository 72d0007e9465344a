//! Attacks by packages: what runs when they are installed, and what a job leaves in an environment
//! that others use. No table, since each takes two steps; packages come from a folder, without a
//! network. This needs a Python with `venv`.

use syft::jobs::{Confinement, InstallSettings, JobKind, RunOptions};

use crate::world::{SECRET, World, options, read, sandbox, write};

/// How many attacks are in here.
pub(crate) const ATTACKS: usize = 5;

/// Makes two packages: a harmless one, and one that runs code when it is built.
const PACKAGES: &str = r#"
import io, sys, tarfile, zipfile
folder, home, datasite = sys.argv[1:]
def wheel(file, name, code):
    info = f'{name}-1.0.dist-info/'
    with zipfile.ZipFile(file, 'w') as z:
        z.writestr(f'{name}.py', code)
        z.writestr(info + 'METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
        z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        z.writestr(info + 'RECORD', f'{name}.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n')
wheel(f'{folder}/tinypkg-1.0-py3-none-any.whl', 'tinypkg', 'ANSWER = 42\n')
backend = '''
import inspect, os, zipfile
def find():
    found = []
    for name, path in [('home', %r), ('data', %r), ('token', %r)]:
        try:
            found.append((name, open(path).read(20)))
        except OSError:
            pass
    return found
''' % (home + '/secret', datasite + '/private/syft_datasets/census/data.csv', home + '/config/token.json')
backend += "def wheel(file, name, code):\n"
import inspect
lines = open(sys.argv[0]).read().split('def wheel(file, name, code):\n')[1].split('\nwheel(')[0]
backend += lines + '''
def build_wheel(directory, settings=None, metadata=None):
    wheel(directory + '/evilpkg-1.0-py3-none-any.whl', 'evilpkg', f'FOUND = {find()!r}')
    return 'evilpkg-1.0-py3-none-any.whl'
def get_requires_for_build_wheel(settings=None):
    return []
'''
project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "evilpkg"\nversion = "1.0"\n'
about = 'Metadata-Version: 2.1\nName: evilpkg\nVersion: 1.0\n'
with tarfile.open(f'{folder}/evilpkg-1.0.tar.gz', 'w:gz') as tar:
    for name, text in [('backend.py', backend), ('pyproject.toml', project), ('PKG-INFO', about)]:
        entry = tarfile.TarInfo('evilpkg-1.0/' + name)
        entry.size = len(text.encode())
        tar.addfile(entry, io.BytesIO(text.encode()))
"#;

/// A machine where packages come from a folder.
struct Shop {
    world: World,
    options: RunOptions,
}

impl Shop {
    fn new(confinement: Confinement) -> Self {
        let world = World::new();
        let home = world.home.path().to_owned();
        let folder = home.join("wheels/of/owner");
        std::fs::create_dir_all(&folder).unwrap();
        write(&home.join("config/token.json"), SECRET);
        write(&home.join("packages.py"), PACKAGES);
        let mut command = std::process::Command::new("python3");
        command.args([&home.join("packages.py"), &folder, &home, &world.datasite()]);
        assert!(command.status().unwrap().success());
        let variables = [("PIP_NO_INDEX", "1"), ("UV_NO_INDEX", "1"), ("UV_OFFLINE", "1")];
        let mut variables: Vec<_> =
            variables.map(|(name, value)| (name.into(), value.into())).into();
        for name in ["PIP_FIND_LINKS", "UV_FIND_LINKS"] {
            variables.push((name.into(), folder.clone().into_os_string()));
        }
        let install = InstallSettings { variables, ..InstallSettings::default() };
        Self { world, options: RunOptions { install, ..options(confinement) } }
    }

    /// Runs a job that needs a package, and returns what it printed.
    async fn run(&self, name: &str, package: &str, code: &str) -> String {
        let main = self.world.home.path().join("scientist/main.py");
        write(&main, code);
        let packages = [package.to_owned()];
        self.world.submit_path(name, JobKind::Python, &main, &packages, Some(&["census"]));
        let report = self.world.run(name, &self.options).await;
        let review = self.world.left(name);
        let log = read(&review.join("stdout.txt")) + &read(&review.join("stderr.txt"));
        assert!(log.contains("BEGUN"), "{log} {:?}", report.notes);
        log
    }
}

/// Three attacks: the home folder, private data, the sign-in.
#[tokio::test]
async fn w9_a_package_that_runs_code_when_it_is_installed_sees_no_data() {
    let Some(sandbox) = sandbox().await else { return };
    for confinement in [Confinement::None, sandbox] {
        let confined = confinement.confines();
        let shop = Shop::new(confinement);
        let code = "import evilpkg\nprint('BEGUN', dict(evilpkg.FOUND))\n";
        let log = shop.run("job", "evilpkg", code).await;
        for found in ["home", "data", "token"] {
            assert_eq!(log.contains(&format!("'{found}':")), !confined, "{found}: {log}");
        }
    }
}

/// Two attacks: a file that Python executes at each start, and the package itself.
#[tokio::test]
async fn w9_a_job_cannot_change_the_environment_that_others_use() {
    let Some(sandbox) = sandbox().await else { return };
    let poison = "import os, tinypkg\nprint('BEGUN')\nfolder = os.path.dirname(tinypkg.__file__)\n\
        for name, text in [('/evil.pth', 'import sys; sys.poisoned = True'), ('/tinypkg.py', 'ANSWER = 666666')]:\n\
        \x20   try:\n        open(folder + name, 'w').write(text)\n    except OSError as e:\n        print(e)\n";
    let look =
        "import sys, tinypkg\nprint('BEGUN', getattr(sys, 'poisoned', False), tinypkg.ANSWER)\n";
    for confinement in [Confinement::None, sandbox] {
        let confined = confinement.confines();
        let shop = Shop::new(confinement);
        let first = shop.run("first", "tinypkg", poison).await;
        assert_eq!(first.matches("Read-only").count(), if confined { 2 } else { 0 }, "{first}");
        let second = shop.run("second", "tinypkg", look).await;
        let expected = if confined { "BEGUN False 42\n" } else { "BEGUN True 666666\n" };
        assert_eq!(second, expected);
    }
}
