//! Attacks by packages: what runs when they are installed, and what a job leaves in an environment
//! that others use. No table, since each takes two steps; packages come from a folder, without a
//! network. This needs a Python with `venv`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use syft::jobs::{Confinement, InstallSettings, JobKind, OutputLimits, RunOptions};

use crate::world::{SECRET, World, options, read, sandbox, write};

/// How many attacks are in here.
pub(crate) const ATTACKS: usize = 7;

/// Makes three packages: a harmless one, and two that run code when they are built: one looks around,
/// one fills the disk.
const PACKAGES: &str = r#"
import io, sys, tarfile, zipfile
folder, home, datasite, desktop = sys.argv[1:]
def wheel(file, name, code):
    info = f'{name}-1.0.dist-info/'
    with zipfile.ZipFile(file, 'w') as z:
        z.writestr(f'{name}.py', code)
        z.writestr(info + 'METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
        z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        z.writestr(info + 'RECORD', f'{name}.py,,\n{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n')
wheel(f'{folder}/tinypkg-1.0-py3-none-any.whl', 'tinypkg', 'ANSWER = 42\n')
backend = '''
import inspect, os, socket, time, zipfile
def find():
    found = []
    try:
        socket.socket(socket.AF_UNIX).connect('\\0' + %r)
        found.append(('desktop', 1))
    except OSError:
        pass
    for name, path in [('home', %r), ('data', %r), ('token', %r)]:
        try:
            found.append((name, open(path).read(20)))
        except OSError:
            pass
    return found
''' % (desktop, home + '/secret', datasite + '/private/syft_datasets/census/data.csv', home + '/config/token.json')
backend += "def wheel(file, name, code):\n"
import inspect
lines = open(sys.argv[0]).read().split('def wheel(file, name, code):\n')[1].split('\nwheel(')[0]
backend += lines + '''
def build_wheel(directory, settings=None, metadata=None):
    if GREEDY:
        os.makedirs(os.environ['HOME'], exist_ok=True)
        for number in range(160):
            open(os.environ['HOME'] + f'/{number}', 'wb').write(bytes(1 << 20))
        if os.environ['HOME'].startswith('/syft/'): # the room: until somebody notices
            time.sleep(50)
    wheel(directory + f'/{NAME}-1.0-py3-none-any.whl', NAME, f'FOUND = {find()!r}')
    return f'{NAME}-1.0-py3-none-any.whl'
def get_requires_for_build_wheel(settings=None):
    return []
'''
for package in ['evilpkg', 'greedypkg']:
    project = f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "{package}"\nversion = "1.0"\n'
    about = f'Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n'
    code = f'NAME, GREEDY = {package!r}, {package == "greedypkg"}\n' + backend
    with tarfile.open(f'{folder}/{package}-1.0.tar.gz', 'w:gz') as tar:
        for name, text in [('backend.py', code), ('pyproject.toml', project), ('PKG-INFO', about)]:
            entry = tarfile.TarInfo(f'{package}-1.0/' + name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
"#;

/// A machine where packages come from a folder.
struct Shop {
    world: World,
    options: RunOptions,
    /// As a desktop listens, without a path.
    _desktop: UnixListener,
}

impl Shop {
    fn new(confinement: Confinement) -> Self {
        let world = World::new();
        let home = world.home.path().to_owned();
        let folder = home.join("wheels/of/owner");
        std::fs::create_dir_all(&folder).unwrap();
        write(&home.join("config/token.json"), SECRET);
        write(&home.join("packages.py"), PACKAGES);
        let number = world.home.path().file_name().unwrap().to_str().unwrap();
        let desktop = format!("syft-desktop-{number}");
        let name = SocketAddr::from_abstract_name(&desktop).unwrap();
        let mut command = std::process::Command::new("python3");
        command.args([&home.join("packages.py"), &folder, &home, &world.datasite()]).arg(desktop);
        assert!(command.status().unwrap().success());
        let variables = [("PIP_NO_INDEX", "1"), ("UV_NO_INDEX", "1"), ("UV_OFFLINE", "1")];
        let mut variables: Vec<_> =
            variables.map(|(name, value)| (name.into(), value.into())).into();
        for name in ["PIP_FIND_LINKS", "UV_FIND_LINKS"] {
            variables.push((name.into(), folder.clone().into_os_string()));
        }
        let size = OutputLimits { files: 100_000, bytes: 50 << 20 };
        let install = InstallSettings { variables, size, ..InstallSettings::default() };
        let options = RunOptions { install, ..options(confinement) };
        Self { world, options, _desktop: UnixListener::bind_addr(&name).unwrap() }
    }

    /// Runs a job that needs packages, and returns what it printed.
    async fn run(&self, name: &str, packages: &[&str], code: &str) -> String {
        let main = self.world.home.path().join("scientist/main.py");
        write(&main, code);
        let packages: Vec<_> = packages.iter().map(|&package| package.to_owned()).collect();
        self.world.submit_path(name, JobKind::Python, &main, &packages, Some(&["census"]));
        self.world.run(name, &self.options).await;
        let review = self.world.left(name);
        read(&review.join("stdout.txt")) + &read(&review.join("stderr.txt"))
    }
}

/// Looks at what a package found when it was built, and then changes a file that Python executes at
/// each start, and another package.
const POISON: &str = r"
import os, evilpkg, tinypkg
print('BEGUN', dict(evilpkg.FOUND))
folder = os.path.dirname(tinypkg.__file__)
for name, text in [('/evil.pth', 'import sys; sys.poisoned = True'), ('/tinypkg.py', 'ANSWER = 666666')]:
    try:
        open(folder + name, 'w').write(text)
    except OSError as e:
        print(e)
";

/// Sees what came of that.
const LOOK: &str =
    "import sys, tinypkg\nprint('BEGUN', getattr(sys, 'poisoned', False), tinypkg.ANSWER)\n";

/// Four attacks of a package when it is installed, on the home folder, private data, the sign-in and a
/// socket of the owner's desktop (the network is that of the machine, and sockets without a path
/// belong to it); one by which it fills the disk; two of a job on the environment that others use.
#[tokio::test]
async fn w9_packages_see_no_data_fill_no_disk_and_stay_as_they_are() {
    let Some(sandbox) = sandbox().await else { return };
    for confinement in [Confinement::None, sandbox] {
        let confined = confinement.confines();
        let shop = Shop::new(confinement);
        let all = ["evilpkg", "tinypkg", "greedypkg"];
        let packages = if confined { &all[..2] } else { &all };
        let first = shop.run("first", packages, POISON).await;
        assert!(first.contains("BEGUN"), "{first}"); // without the sandbox the greedy one came along
        for found in ["home", "data", "token", "desktop"] {
            assert_eq!(first.contains(&format!("'{found}':")), !confined, "{found}: {first}");
        }
        assert_eq!(first.matches("Read-only").count(), if confined { 2 } else { 0 }, "{first}");
        let second = shop.run("second", packages, LOOK).await;
        let expected = if confined { "BEGUN False 42\n" } else { "BEGUN True 666666\n" };
        assert_eq!(second, expected);
        if confined {
            let log = shop.run("greedy", &all[2..], "print('BEGUN')").await;
            assert!(log.contains("STOPPED: it had more than 100 MiB"), "{log}");
            assert!(!log.contains("BEGUN"), "{log}");
        }
    }
}
