/**
 * The connection's own keys and its list of trusted servers, in a folder below the gateway's data. Left to itself the library
 * would use one below the user's home and trust everybody.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pkiFolder } from './rejected.ts';
import { OPCUACertificateManager } from './ua.ts';

/** Our own certificate: what a server has to trust. */
export function ownCertificate(stateDir: string): string {
  return join(pkiFolder(stateDir), 'own', 'certs', 'client_certificate.pem');
}

/**
 * Makes the folder and, the first time, a key of 2048 bits; unknown servers go to `rejected`. Opened anew for every attempt to
 * connect, so that a certificate moved to `trusted` counts at the next one and nothing has to watch the folder.
 */
export async function openPki(stateDir: string): Promise<OPCUACertificateManager> {
  const folder = pkiFolder(stateDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const manager = new OPCUACertificateManager({
    rootFolder: folder,
    automaticallyAcceptUnknownCertificate: false,
    keySize: 2048,
    disableFileWatchers: true,
  });
  await manager.initialize();
  chmodSync(manager.privateKey, 0o600);
  return manager;
}
