//! Programs of a few instructions: make one raw system call and exit with its error number.
//!
//! They stand where no shell command makes the call that a test wants, or makes it by another
//! architecture's entry: 32-bit x86 or the x32 numbers of x86-64. Each file is one ELF header, one
//! loadable segment and the code; the exit status is 0 or the error number.

/// Where the segment is loaded.
const BASE: u64 = 0x40_0000;
/// The number that asks an x86-64 kernel for the x32 variant of a call.
pub const X32_BIT: u32 = 0x4000_0000;

/// A program for x86-64 that makes the call `number` with up to six arguments.
pub fn x86_64(number: u32, args: &[u64]) -> Vec<u8> {
    let mut code = Vec::new();
    // mov eax, number
    code.push(0xb8);
    code.extend(number.to_le_bytes());
    // movabs rdi, rsi, rdx, r10, r8, r9
    let registers: [[u8; 2]; 6] =
        [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9]];
    for (register, value) in registers.iter().zip(args.iter().chain(std::iter::repeat(&0))) {
        code.extend(register);
        code.extend(value.to_le_bytes());
    }
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x85, 0xc0]); // test eax, eax
    code.extend([0x79, 0x04]); // jns +4
    code.extend([0xf7, 0xd8]); // neg eax
    code.extend([0x89, 0xc7]); // mov edi, eax
    code.extend([0xb8, 0xe7, 0x00, 0x00, 0x00]); // mov eax, exit_group
    code.extend([0x0f, 0x05]); // syscall
    elf64(&code)
}

/// A program for 32-bit x86 that makes the call `number` with up to five arguments.
pub fn i386(number: u32, args: &[u32]) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    // mov ebx, ecx, edx, esi, edi
    for (register, value) in
        [0xbb, 0xb9, 0xba, 0xbe, 0xbf].iter().zip(args.iter().chain(std::iter::repeat(&0)))
    {
        code.push(*register);
        code.extend(value.to_le_bytes());
    }
    code.extend([0xcd, 0x80]); // int 0x80
    code.extend([0x31, 0xdb]); // xor ebx, ebx
    code.extend([0x85, 0xc0]); // test eax, eax
    code.extend([0x79, 0x04]); // jns +4
    code.extend([0xf7, 0xd8]); // neg eax
    code.extend([0x89, 0xc3]); // mov ebx, eax
    code.extend([0xb8, 0xfc, 0x00, 0x00, 0x00]); // mov eax, exit_group
    code.extend([0xcd, 0x80]); // int 0x80
    elf32(&code)
}

fn elf64(code: &[u8]) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(2u16.to_le_bytes()); // executable
    file.extend(62u16.to_le_bytes()); // x86-64
    file.extend(1u32.to_le_bytes());
    file.extend((BASE + HEADERS).to_le_bytes()); // entry
    file.extend(64u64.to_le_bytes()); // program headers
    file.extend(0u64.to_le_bytes()); // no sections
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes()); // load
    file.extend(5u32.to_le_bytes()); // readable, executable
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

fn elf32(code: &[u8]) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let base = 0x40_0000u32;
    let size = HEADERS + u32::try_from(code.len()).unwrap_or(0);
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(2u16.to_le_bytes()); // executable
    file.extend(3u16.to_le_bytes()); // 386
    for word in [1, base + HEADERS, 52, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    for half in [52u16, 32, 1, 40, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for word in [1, 0, base, base, size, size, 5, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}
