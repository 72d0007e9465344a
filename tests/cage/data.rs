//! Attacks on what lies on the owner's machine.

use crate::suite::Noticed::Here;
use crate::suite::{Attack, attack};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("another dataset", "private data that the job does not name", r"
        path = '/private/syft_datasets/other/data.csv'
        got(first('@DATASITE@' + path, BOX + path, '/proc/1/root@DATASITE@' + path)[0])
    "),
    attack("another dataset by `..`", "private data that the job does not name",
        "got(first(BOX + '/private/syft_datasets/census/../other/data.csv')[0])"),
    attack("the mock half as a way to the private one", "private data that the job does not name",
        "got(first(BOX + '/public/syft_datasets/census/../../../private/syft_datasets/other/data.csv')[0])"),
    attack("the sign-in", "the owner's drive",
        "got(first('@HOME@/config/token.json')[:1])"),
    attack("the keys", "everything that is encrypted for the owner",
        "got(first('@HOME@/config/keys.json')[:1])"),
    attack("the state database", "what peers sent, and changing what is sent to them", r"
        open('@HOME@/config/state.sqlite3', 'r+')
        got()
    "),
    attack("the home folder", "files of the owner",
        "got(len(os.listdir('@HOME@')))"),
    attack("the key for other machines", "the owner's servers",
        "got(first('@HOME@/.ssh/id_ed25519', os.path.expanduser('~/.ssh/id_ed25519'))[:1])"),
    attack("another job's code", "what other scientists ask", r"
        path = '/app_data/job/inbox/eve@example.com/study/code/main.py'
        got(first('@DATASITE@' + path, BOX + path)[:1])
    "),
    attack("another job's results", "answers that were not released, or not to this scientist", r"
        path = '/app_data/job/review/eve@example.com/study/outputs/result.csv'
        got(first('@DATASITE@' + path, BOX + path, '@HOME@/config/results/do@example.com' + path)[:1])
    "),
    attack("temporary files of others", "what other programs are working on",
        "got(first('@SHARED@/file')[:1])"),
    attack("an inherited descriptor", "whatever was open where `syft` was started", r"
        os.lseek(@DESCRIPTOR@, 0, 0)
        got(os.read(@DESCRIPTOR@, 1))
    "),
    attack("the parent's environment", "passwords and tokens that are kept there", r"
        for pid in ['@PARENT@', '1']:
            try:
                if b'CARGO' in open(f'/proc/{pid}/environ', 'rb').read():
                    got(pid)
            except OSError:
                pass
    "),
    attack("the parent's arguments", "what the owner does", r"
        if b'cage-' in open('/proc/@PARENT@/cmdline', 'rb').read():
            got()
    "),
    attack("the parent's open files", "the database and sockets of `syft`", r"
        if 'cage-' in os.readlink('/proc/@PARENT@/exe'):
            got(len(os.listdir('/proc/@PARENT@/fd')))
    "),
    attack("the parent's memory", "keys in the memory of `syft`", r"
        if b'cage-' in open('/proc/@PARENT@/cmdline', 'rb').read():
            open('/proc/@PARENT@/mem', 'rb')
            got()
    ")
        .sometimes("a kernel that restricts tracing keeps processes of one user apart"),
    attack("where the data lies", "the owner's user name and folders", r"
        for path in ['/proc/1/cmdline', '/proc/self/environ', '/proc/self/cmdline']:
            if b'@HOME@' in open(path, 'rb').read():
                got(path)
    "),
    attack("who has an account", "names of people who use this machine",
        "got(len(first('/etc/passwd')))"),
    attack("which machine it is", "a name to look for on the network", r"
        if socket.gethostname() == '@HOST@' or os.uname().nodename == '@HOST@':
            got(socket.gethostname())
    "),
    attack("the machine's hardware", "addresses of its network cards, its disks",
        "got(len(os.listdir('/sys/class/net')))"),
    attack("what is plugged in", "which devices the owner has",
        "got(len(os.listdir('/proc/bus/input')), len(os.listdir('/proc/bus/pci')))")
        .sometimes("a virtual machine may have no such lists"),
    attack("files by number", "any file, whatever is mounted where", r"
        handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128))
        mount = ctypes.c_int()
        call(303, 264, ctypes.c_long(-100), b'/usr', handle, ctypes.byref(mount), 0)
        folder = os.open('/usr', os.O_RDONLY)
        got(call(304, 265, folder, handle, 0))
    ")
        .sometimes("only root may open files by number"),
    attack("the dataset itself, changed", "wrong answers for everybody after it",
        "open(BOX + '/private/syft_datasets/census/data.csv', 'a').write('more')")
        .noticed(Here(|scene, _| {
            let file = scene.world.datasite().join("private/syft_datasets/census/data.csv");
            crate::world::read(&file).contains("more")
        })),
    attack("a file planted by its absolute name", "a program that the owner starts one day",
        "open('@HOME@/planted', 'w')")
        .noticed(Here(|scene, _| scene.has("planted"))),
    attack("a file planted by `..`", "a file beside the outputs, or above", r"
        open('outputs/../../../planted', 'w')
        got()
    "),
    attack("its own code, changed", "that what ran is not what was approved", r"
        open('main.py', 'a').write('#')
        got()
    "),
    attack("its own settings, changed", "that what ran is not what was approved", r"
        os.rename('../config.yaml', '../other.yaml')
        got()
    "),
    attack("the module that it imports, changed", "code of its own in the next job", r"
        for folder in os.environ['PYTHONPATH'].split(':')[1:]:
            open(folder + '/sitecustomize.py', 'w')
            got(folder)
    "),
];
