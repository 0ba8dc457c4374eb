// Makes a thumbnail of each picture that is uploaded, and a note of anything else.

import { createHash } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Jimp } from 'jimp'

const s3 = new S3Client()

export const handler = async (event) => {
  const done = []
  for (const { s3: { bucket, object } } of event.Records) {
    const key = decodeURIComponent(object.key.replaceAll('+', ' ')) // S3 writes it as a form does
    done.push(await (/\.(jpe?g|png)$/i.test(key) ? thumbnail : note)(bucket.name, key))
  }
  console.log('made', done.join(', '))
  return done
}

const read = async (Bucket, Key) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body

// The result goes to another prefix: an event for it would run this function again.
const result = (key) => 'thumbs/' + key.replace(/^uploads\//, '')

const write = async (Bucket, Key, Body, ContentType) => {
  await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType }))
  return Key
}

const thumbnail = async (bucket, key) => {
  const content = await (await read(bucket, key)).transformToByteArray()
  const picture = await Jimp.fromBuffer(Buffer.from(content))
  picture.scaleToFit({ w: 128, h: 128 })
  return write(bucket, result(key).replace(/\.\w+$/, '.jpg'), await picture.getBuffer('image/jpeg'), 'image/jpeg')
}

// Reads an object of any size, a piece at a time.
const note = async (bucket, key) => {
  const digest = createHash('sha256')
  let size = 0
  for await (const piece of await read(bucket, key)) {
    digest.update(piece)
    size += piece.length
  }
  return write(bucket, result(key) + '.json', JSON.stringify({ size, sha256: digest.digest('hex') }), 'application/json')
}
