// A working day with the npm package webdav: node webdav.mjs MODULE URL.
import assert from "node:assert/strict";
import { pipeline } from "node:stream/promises";
import { Readable, Writable } from "node:stream";

const { createClient } = await import(process.argv[2]);
const client = createClient(process.argv[3]);

assert.equal(await client.exists("/desk"), false);
await client.createDirectory("/desk");
await client.createDirectory("/desk/a/b/c", { recursive: true });
await assert.rejects(client.createDirectory("/desk"), { status: 405 });
await assert.rejects(client.createDirectory("/no/parent"), { status: 409 });

assert.equal(await client.putFileContents("/desk/hello.txt", "hello\n"), true);
assert.equal(await client.getFileContents("/desk/hello.txt", { format: "text" }), "hello\n");
const exclusive = await client.putFileContents("/desk/hello.txt", "other", { overwrite: false });
assert.equal(exclusive, false, "If-None-Match: * holds");
for (const name of ["with space", "100%", "a&b", "ünïcödé 😀", "q?x#y", "(paren) 'quote'"]) {
    await client.putFileContents(`/desk/${name}.txt`, name);
    assert.equal(await client.getFileContents(`/desk/${name}.txt`, { format: "text" }), name);
    const listed = await client.getDirectoryContents("/desk");
    assert.ok(listed.some((entry) => entry.basename === `${name}.txt`), name);
    await client.deleteFile(`/desk/${name}.txt`);
}

const stat = await client.stat("/desk/hello.txt");
assert.equal(stat.type, "file");
assert.equal(stat.size, 6);
assert.match(stat.mime, /^text\/plain/);
assert.ok(stat.etag && Date.parse(stat.lastmod));
assert.equal((await client.stat("/desk")).type, "directory");

await client.copyFile("/desk/hello.txt", "/desk/copy.txt");
await client.copyFile("/desk/a", "/desk/z");
await client.moveFile("/desk/copy.txt", "/desk/a/moved.txt");
await assert.rejects(client.copyFile("/desk/hello.txt", "/desk/a/moved.txt", { overwrite: false }), { status: 412 });
await assert.rejects(client.moveFile("/desk/none", "/desk/x"), { status: 404 });
const deep = await client.getDirectoryContents("/desk", { deep: true });
const names = deep.map((entry) => entry.filename).sort();
assert.deepEqual(names, [
    "/desk/a", "/desk/a/b", "/desk/a/b/c", "/desk/a/moved.txt", "/desk/hello.txt",
    "/desk/z", "/desk/z/b", "/desk/z/b/c",
]);

const lock = await client.lock("/desk/hello.txt");
assert.ok(lock.token);
await assert.rejects(client.putFileContents("/desk/hello.txt", "locked"), { status: 423 });
await assert.rejects(client.deleteFile("/desk/hello.txt"), { status: 423 });
// It sends the token without the angle brackets that RFC 4918 asks for.
await client.unlock("/desk/hello.txt", lock.token);
await client.putFileContents("/desk/hello.txt", "unlocked\n");

const bytes = Buffer.alloc(3_000_000, "0123456789");
await pipeline(Readable.from([bytes]), client.createWriteStream("/desk/stream.bin"));
// The package ends its stream before the answer is there.
for (let n = 0; n < 1000 && !(await client.exists("/desk/stream.bin")); n++);
const parts = [];
const sink = () => new Writable({ write(part, _, done) { parts.push(part); done(); } });
await pipeline(client.createReadStream("/desk/stream.bin"), sink());
assert.ok(Buffer.concat(parts).equals(bytes));
parts.length = 0;
await pipeline(client.createReadStream("/desk/stream.bin", { range: { start: 10, end: 14 } }), sink());
assert.equal(Buffer.concat(parts).toString(), "01234");

const quota = await client.getQuota();
assert.ok(quota === null || quota.available === "unlimited" || quota.available > 0);
await client.deleteFile("/desk/z");
await assert.rejects(client.stat("/desk/z"), { status: 404 });
assert.equal(await client.exists("/desk/a/b/c"), true);
